"""Makes controlpoints.txt: fits of control points, by other methods than the code's.

Affine: exact rationals (normal equations). In the plane, similarity and rigid: exact rationals and one root. In
space: Horn (1987), the eigenvector of the largest eigenvalue of a 4x4 matrix, by power iteration with 60 digits.
Each case: a line "case METHOD N DIMS", N lines of from and to, a line of 12 matrix entries, one of rmse.
"""
from decimal import Decimal as D, getcontext
from fractions import Fraction as F

getcontext().prec = 60
seed = 20261127


def rnd(lo, hi, digits):
    global seed
    seed = seed * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
    u = (seed >> 11) / (1 << 53)
    return F(round((lo + (hi - lo) * u) * 10**digits), 10**digits)


def dec(x):
    return D(x.numerator) / D(x.denominator) if isinstance(x, F) else D(x)


def mean(ps):
    return [sum(c) / F(len(ps)) for c in zip(*ps)]


def solve(a, b):  # Gauss, exact
    n = len(a)
    m = [list(a[i]) + list(b[i]) for i in range(n)]
    for i in range(n):
        p = next(r for r in range(i, n) if m[r][i] != 0)
        m[i], m[p] = m[p], m[i]
        m[i] = [v / m[i][i] for v in m[i]]
        for r in range(n):
            if r != i:
                m[r] = [x - m[r][i] * y for x, y in zip(m[r], m[i])]
    return [row[n:] for row in m]


def fit(method, f, t, d):
    mf, mt = mean(f), mean(t)
    f0 = [[x - m for x, m in zip(p, mf)] for p in f]
    t0 = [[x - m for x, m in zip(p, mt)] for p in t]
    sf = sum(x * x for p in f0 for x in p)
    if method == "affine":
        n = [[sum(p[i] * p[j] for p in f0) for j in range(d)] for i in range(d)]
        r = [[sum(p[i] * q[j] for p, q in zip(f0, t0)) for j in range(d)] for i in range(d)]
        x = solve(n, r)
        m = [[dec(x[j][i]) for j in range(d)] for i in range(d)]
    elif d == 2:
        a = dec(sum(p[0] * q[0] + p[1] * q[1] for p, q in zip(f0, t0)))
        b = dec(sum(p[0] * q[1] - p[1] * q[0] for p, q in zip(f0, t0)))
        k = dec(sf) if method == "similarity" else (a * a + b * b).sqrt()
        m = [[a / k, -b / k], [b / k, a / k]]
    else:
        s = [[dec(sum(p[i] * q[j] for p, q in zip(f0, t0))) for j in range(3)] for i in range(3)]
        (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = s
        n = [[xx + yy + zz, yz - zy, zx - xz, xy - yx], [yz - zy, xx - yy - zz, xy + yx, zx + xz],
             [zx - xz, xy + yx, yy - xx - zz, yz + zy], [xy - yx, zx + xz, yz + zy, zz - xx - yy]]
        shift = sum(abs(v) for row in n for v in row)  # all eigenvalues above 0
        for i in range(4):
            n[i][i] += shift
        for _ in range(12):  # to the power of 4096
            n = [[sum(n[i][k] * n[k][j] for k in range(4)) for j in range(4)] for i in range(4)]
            big = max(abs(v) for row in n for v in row)
            n = [[v / big for v in row] for row in n]
        col = max(range(4), key=lambda j: sum(n[i][j] ** 2 for i in range(4)))
        q = [n[i][col] for i in range(4)]
        k = sum(v * v for v in q).sqrt()
        w, x, y, z = [v / k for v in q]
        m = [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
             [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
             [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]
        if method == "similarity":
            up = sum(dec(q[i]) * sum(m[i][j] * dec(p[j]) for j in range(3)) for p, q in zip(f0, t0) for i in range(3))
            m = [[v * up / dec(sf) for v in row] for row in m]
    off = [dec(mt[i]) - sum(m[i][j] * dec(mf[j]) for j in range(d)) for i in range(d)]
    sq = sum((sum(m[i][j] * dec(p[j]) for j in range(d)) + off[i] - dec(q[i])) ** 2 for p, q in zip(f, t) for i in range(d))
    if d == 2:
        rows = [m[0] + [D(0), off[0]], m[1] + [D(0), off[1]], [D(0), D(0), D(1), D(0)]]
    else:
        rows = [m[i] + [off[i]] for i in range(3)]
    return [v for row in rows for v in row], (sq / len(f)).sqrt()


def case(method, d, n, at, size, noise):
    f = [[rnd(-size, size, 3) for _ in range(d)] for _ in range(n)]
    if d == 2:
        lin = [[F(12, 13), F(-5, 13)], [F(5, 13), F(12, 13)]]
    else:  # a turn with rational entries
        lin = [[F(2, 7), F(-6, 7), F(3, 7)], [F(3, 7), F(-2, 7), F(-6, 7)], [F(6, 7), F(3, 7), F(2, 7)]]
    k = F(1) if method == "rigid" else F(21, 20)
    if method == "affine":
        lin[0][1] += F(1, 5)
    t = [[sum(k * lin[i][j] * p[j] for j in range(d)) + at[i] + rnd(-noise, noise, 4) for i in range(d)] for p in f]
    # as decimals, so that both sides read the same numbers
    t = [[F(round(v * 10**6), 10**6) for v in p] for p in t]
    way, rmse = fit(method, f, t, d)
    print("case", method, n, d)
    for p, q in zip(f, t):
        print(*[format(float(v), ".6f") for v in p + q])
    print(*[format(v, ".20e") for v in way])
    print(format(rmse, ".20e"))


for method in ("rigid", "similarity", "affine"):
    for d in (2, 3):
        few = d + (method == "affine" or d == 3) * 1
        for n, at, size, noise in ((few, [3, -4, 5], 10, 0.02), (6, [3, -4, 5], 10, 0.05), (12, [521500, 3520500, 35], 40, 0.1), (5, [0, 0, 0], 5000, 20)):
            case(method, d, max(n, 2), [F(v) for v in at], size, noise)
