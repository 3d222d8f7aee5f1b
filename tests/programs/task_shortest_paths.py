# Finds shortest paths with sys.maxsize as infinity: Dijkstra, Bellman-Ford, Floyd-Warshall.
# stdout:
# |Aachen                0 Aachen
# |Bonn         91,000,000 Aachen > Bonn
# |Celle       441,000,000 Aachen > Bonn > Celle
# |Dresden   2,588,483,647 Aachen > Bonn > Celle > Dresden
# |Essen    unreachable
# |Fulda    unreachable
# |Aachen   0 91000000 441000000 2588483647 inf inf
# |Bonn     91000000 0 350000000 2497483647 inf inf
# |Celle    441000000 350000000 0 2147483647 inf inf
# |Dresden  2588483647 2497483647 2147483647 0 inf inf
# |Essen    inf inf inf inf 0 12
# |Fulda    inf inf inf inf 12 0
# |[0, -1, 5, -4, -2, 9223372036854775807]
# |None
# |[('Essen', 'Fulda', 12), ('Aachen', 'Bonn', 91000000), ('Bonn', 'Celle', 350000000), ('Celle', 'Dresden', 2147483647)] 2588483659
import heapq
import sys
from collections import defaultdict

INF = sys.maxsize
ROADS = [
    ("Aachen", "Bonn", 91_000_000), ("Bonn", "Celle", 350_000_000), ("Aachen", "Celle", 5_000_000_000),
    ("Celle", "Dresden", 2_147_483_647), ("Bonn", "Dresden", 4_400_000_000), ("Essen", "Fulda", 12),
]
graph = defaultdict(dict)
for a, b, cost in ROADS:
    graph[a][b] = cost
    graph[b][a] = cost


def dijkstra(source):
    distance = {node: INF for node in graph}
    previous = {}
    distance[source] = 0
    queue = [(0, source)]
    while queue:
        cost, node = heapq.heappop(queue)
        if cost > distance[node]:
            continue
        for other, step in graph[node].items():
            if cost + step < distance[other]:
                distance[other] = cost + step
                previous[other] = node
                heapq.heappush(queue, (cost + step, other))
    return distance, previous


def path(previous, target):
    nodes = [target]
    while nodes[-1] in previous:
        nodes.append(previous[nodes[-1]])
    return " > ".join(reversed(nodes))


distance, previous = dijkstra("Aachen")
for city in sorted(distance):
    if distance[city] == INF:
        print(f"{city:<8} unreachable")
    else:
        print(f"{city:<8} {distance[city]:>14,} {path(previous, city)}")


def floyd(nodes):
    d = [[0 if i == j else graph[a].get(b, INF) for j, b in enumerate(nodes)] for i, a in enumerate(nodes)]
    for k in range(len(nodes)):
        for i in range(len(nodes)):
            for j in range(len(nodes)):
                if d[i][k] + d[k][j] < d[i][j]:
                    d[i][j] = d[i][k] + d[k][j]
    return d


cities = sorted(graph)
for city, row in zip(cities, floyd(cities)):
    print(f"{city:<8}", *("inf" if value >= INF else value for value in row))


def bellman_ford(edges, count, source):
    cost = [INF] * count
    cost[source] = 0
    for _ in range(count - 1):
        for a, b, w in edges:
            if cost[a] != INF and cost[a] + w < cost[b]:
                cost[b] = cost[a] + w
    if any(cost[a] != INF and cost[a] + w < cost[b] for a, b, w in edges):
        return None
    return cost


print(bellman_ford([(0, 1, 4), (0, 2, 5), (1, 3, -3), (2, 1, -6), (3, 4, 2)], 6, 0))
print(bellman_ford([(0, 1, 1), (1, 2, -5), (2, 0, 2)], 3, 0))


def kruskal(edges):
    parent = {}

    def find(x):
        parent.setdefault(x, x)
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    for a, b, cost in sorted(edges, key=lambda e: e[2]):
        if find(a) != find(b):
            parent[find(a)] = find(b)
            yield a, b, cost


tree = list(kruskal(ROADS))
print(tree, sum(cost for *_, cost in tree))
