# Plays tic-tac-toe perfectly, ranks poker hands, scores bowling and simulates blackjack.
# stdout:
# |XXO OOX XOX draw 5477
# |2 2 1
# |AS KS QS JS TS straight flush  AKQJT
# |5H 4D 3C 2S AH straight        5432A
# |9C 9D 9H 2S 2D full house      92
# |KD KC 7H 7S 3D two pairs       K73
# |2C 5C 9C JC KC flush           KJ952
# |[('high card', 1471), ('pair', 1298), ('two pairs', 143), ('three of a kind', 61), ('straight', 14), ('full house', 6), ('flush', 6), ('four of a kind', 1)]
# |['QC', '2S', '5D', '3S', '6D', '7D', '9H'] -> high card ['QC', '9H', '7D', '6D', '5D']
# |[30, 60, 90, 120, 150, 180, 210, 240, 270, 300] 90 [20, 39, 48, 66, 74, 84, 90, 120, 148, 167]
# |stand on 14: won  659 even  130 lost  711 -0.035
# |stand on 15: won  602 even  134 lost  764 -0.108
# |stand on 16: won  623 even  156 lost  721 -0.065
# |stand on 17: won  611 even  142 lost  747 -0.091
# |stand on 18: won  585 even  130 lost  785 -0.133
# |stand on 19: won  563 even  102 lost  835 -0.181
# |False True [(1, 2, 3), (1, 4, 5), (2, 4, 6), (3, 5, 6)]
import random
from collections import Counter
from functools import cache
from itertools import combinations

LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


def winner(board):
    return next((board[a] for a, b, c in LINES if board[a] != "." and board[a] == board[b] == board[c]), None)


@cache
def value(board, player):
    if won := winner(board):
        return 1 if won == "X" else -1
    if "." not in board:
        return 0
    results = [value(board[:i] + player + board[i + 1 :], "XO"[player == "X"]) for i, c in enumerate(board) if c == "."]
    return max(results) if player == "X" else min(results)


def best(board, player):
    pick = max if player == "X" else min
    return pick((i for i, c in enumerate(board) if c == "."), key=lambda i: value(board[:i] + player + board[i + 1 :], "XO"[player == "X"]))


board, player = "." * 9, "X"
while not winner(board) and "." in board:
    move = best(board, player)
    board = board[:move] + player + board[move + 1 :]
    player = "XO"[player == "X"]
print(board[:3], board[3:6], board[6:], "draw" if not winner(board) else winner(board), value.cache_info().currsize)
print(best("XX.OO....", "X"), best("XX..O....", "O"), best("X...O...X", "O"))

RANKS = "23456789TJQKA"
NAMES = ["high card", "pair", "two pairs", "three of a kind", "straight", "flush", "full house", "four of a kind", "straight flush"]


def rank(hand):
    values = sorted((RANKS.index(card[0]) for card in hand), reverse=True)
    groups = sorted(Counter(values).items(), key=lambda g: (-g[1], -g[0]))
    shape, ordered = tuple(n for _, n in groups), [v for v, _ in groups]
    flush = len({card[1] for card in hand}) == 1
    if values == [12, 3, 2, 1, 0]:
        ordered = [3, 2, 1, 0, -1]
    straight = len(shape) == 5 and ordered[0] - ordered[4] == 4
    kind = 8 if straight and flush else 7 if shape == (4, 1) else 6 if shape == (3, 2) else 5 if flush else 4 if straight else 3 if shape == (3, 1, 1) else 2 if shape == (2, 2, 1) else 1 if shape == (2, 1, 1, 1) else 0
    return kind, ordered


for text in ("AS KS QS JS TS", "5H 4D 3C 2S AH", "9C 9D 9H 2S 2D", "KD KC 7H 7S 3D", "2C 5C 9C JC KC"):
    kind, ordered = rank(text.split())
    print(f"{text} {NAMES[kind]:<15} {''.join(RANKS[v] if v >= 0 else 'A' for v in ordered)}")
random.seed(52)
deck = [r + s for r in RANKS for s in "SHDC"]
seen = Counter(NAMES[rank(random.sample(deck, 5))[0]] for _ in range(3000))
print(seen.most_common())
seven = random.sample(deck, 7)
top = max(combinations(seven, 5), key=rank)
print(seven, "->", NAMES[rank(top)[0]], sorted(top, key=lambda c: -RANKS.index(c[0])))


def bowling(rolls):
    score, at, frames = 0, 0, []
    for _ in range(10):
        if rolls[at] == 10:
            score += 10 + sum(rolls[at + 1 : at + 3])
            at += 1
        else:
            pair = rolls[at] + rolls[at + 1]
            score += pair + (rolls[at + 2] if pair == 10 else 0)
            at += 2
        frames.append(score)
    return frames


print(bowling([10] * 12), bowling([9, 0] * 10)[-1], bowling([10, 7, 3, 9, 0, 10, 0, 8, 8, 2, 0, 6, 10, 10, 10, 8, 1]))


def points(hand):
    total, aces = sum(min(v, 10) for v in hand), hand.count(1)
    return total + 10 if aces and total <= 11 else total


def blackjack(stand, rng):
    draw = lambda: rng.randint(1, 13)
    mine, dealer = [draw(), draw()], [draw()]
    while points(mine) < stand:
        mine.append(draw())
    if points(mine) > 21:
        return -1
    while points(dealer) < 17:
        dealer.append(draw())
    return 1 if points(dealer) > 21 or points(mine) > points(dealer) else 0 if points(mine) == points(dealer) else -1


for stand in range(14, 20):
    rng = random.Random(stand)
    results = Counter(blackjack(stand, rng) for _ in range(1500))
    print(f"stand on {stand}: won {results[1]:>4} even {results[0]:>4} lost {results[-1]:>4} {sum(k * n for k, n in results.items()) / 1500:+.3f}")


@cache
def nim(piles):
    return any(not nim(tuple(sorted(piles[:i] + (left,) + piles[i + 1 :]))) for i, pile in enumerate(piles) for left in range(pile))


print(nim((1, 2, 3)), nim((1, 2, 4)), [p for p in combinations(range(1, 7), 3) if not nim(p)])
