# Finds shortest paths with a heap.
# stdout:
# |a 0 a
# |b 7 a-b
# |c 9 a-c
# |f 11 a-c-f
# |d 20 a-c-d
# |e 20 a-c-f-e
# |[9, 7] [1, 2, 3, 4]
import heapq

GRAPH = {"a": {"b": 7, "c": 9, "f": 14}, "b": {"c": 10, "d": 15}, "c": {"d": 11, "f": 2}, "d": {"e": 6}, "f": {"e": 9}}


def shortest(start):
    best, heap = {}, [(0, start, start)]
    while heap:
        cost, node, path = heapq.heappop(heap)
        if node in best:
            continue
        best[node] = (cost, path)
        for neighbour, weight in GRAPH.get(node, {}).items():
            heapq.heappush(heap, (cost + weight, neighbour, f"{path}-{neighbour}"))
    return best


for node, (cost, path) in shortest("a").items():
    print(node, cost, path)
print(heapq.nlargest(2, [3, 1, 9, 7]), list(heapq.merge([1, 4], [2, 3])))
