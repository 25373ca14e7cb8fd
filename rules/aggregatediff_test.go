package rules

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"edge/internal/jsonscan"
)

const everything = `
n: count()
some: count(payload.v)
sum: sum(payload.v)
avg: avg(payload.v)
lo: min(payload.v)
hi: max(payload.v)
variance: variance(payload.v)
variance_pop: variance_pop(payload.v)
stddev: stddev(payload.v)
stddev_pop: stddev_pop(payload.v)
median: median(payload.v)
p: percentile(payload.v, 99.5)
distinct: count_distinct(payload.v)
wlo: min(payload.w)
whi: max(payload.w)
first: first(payload.w)
last: last(payload.w)
few: collect(payload.w, 5)
many: collect(payload.w)`

// A stored message is what the naive side keeps of it: everything.
type stored struct {
	v, w string // JSON
	at   int64
	seq  uint64
}

// TestAggregatesAgreeWithNaive: random streams through random splits, merges and restarts come to what plain
// formulas over all stored values give.
func TestAggregatesAgreeWithNaive(t *testing.T) {
	seeds := 2000
	if testing.Short() {
		seeds = 300
	}
	g := gather(t, everything)
	for seed := range seeds {
		random := rand.New(rand.NewPCG(uint64(seed), 7))
		stream := randomReadings(random)
		got := g.result(g.tallyOf(random, stream))
		if wrong := compareWithNaive(got, stream); wrong != "" {
			t.Fatalf("seed %d, %d messages: %s\n%s\n%v", seed, len(stream), wrong, got, stream[:min(len(stream), 20)])
		}
	}
}

// tallyOf adds a stream to several tallies, some of them written and read on the way, and merges these.
func (g *gatherer) tallyOf(random *rand.Rand, stream []stored) *tally {
	tallies := make([]*tally, 1+random.IntN(4))
	for i := range tallies {
		tallies[i] = g.a.start()
	}
	restarts := random.IntN(3) == 0
	for _, m := range stream {
		i := random.IntN(len(tallies))
		values := []Value{parsed([]byte(m.v)), parsed([]byte(m.w))}
		err := g.a.add(tallies[i], values, m.at, m.seq)
		if wrong := !values[0].isNull() && !values[0].isNumber(); wrong != (err != nil) {
			g.t.Fatalf("add %s: %v", m.v, err)
		}
		if restarts && random.IntN(10) == 0 {
			tallies[i] = g.again(tallies[i])
		}
	}
	for len(tallies) > 1 {
		last := len(tallies) - 1
		g.a.merge(tallies[random.IntN(last)], tallies[last])
		tallies = tallies[:last]
	}
	return tallies[0]
}

func randomReadings(random *rand.Rand) []stored {
	kind, scale := random.IntN(6), math.Pow(10, float64(random.IntN(12)-6))
	wrong := random.IntN(4) == 0
	value := func() string {
		switch kind {
		case 0:
			return strconv.Itoa(random.IntN(20) - 5)
		case 1:
			return strconv.FormatInt(int64(random.Uint64()), 10)
		case 2:
			return strconv.FormatInt(math.MaxInt64-int64(random.IntN(3)), 10)
		case 3:
			return strconv.FormatFloat(random.NormFloat64()*scale+1e6*scale, 'g', -1, 64)
		case 4:
			return []string{"1e100", "-1e100", "1", "2.5", "-7", "0.1", "9007199254740993"}[random.IntN(7)]
		}
		if random.IntN(2) == 0 {
			return strconv.Itoa(random.IntN(1000))
		}
		return strconv.FormatFloat(random.Float64()*1000, 'g', -1, 64)
	}
	text := random.IntN(3) == 0
	stream := make([]stored, random.IntN(60))
	for i := range stream {
		m := stored{v: value(), at: int64(random.IntN(20)), seq: uint64(i + 1)}
		if m.w = m.v; text {
			m.w = strconv.Quote(strings.Repeat("ä", random.IntN(3)) + strconv.Itoa(random.IntN(9)))
		}
		switch random.IntN(12) {
		case 0:
			m.v, m.w = "null", "null"
		case 1:
			if wrong {
				m.v = []string{`"x"`, `[1]`, `true`, `{"a":1}`, `false`}[random.IntN(5)]
			}
		}
		stream[i] = m
	}
	return stream
}

// compareWithNaive says what is wrong with a result.
func compareWithNaive(got string, stream []stored) string {
	field := func(name string) string { return string(jsonscan.Get([]byte(got), name).Raw) }
	var numbers []*big.Rat
	whole, some := true, 0
	distinct := map[string]bool{}
	var others []stored
	for _, m := range stream {
		if v := parsed([]byte(m.v)); v.isNumber() {
			numbers = append(numbers, rational(m.v))
			whole = whole && v.kind == Int
			distinct[rational(m.v).String()] = true
		} else if !v.isNull() {
			distinct[m.v] = true
		}
		if m.v != "null" && m.v != "false" {
			some++
		}
		if m.w != "null" {
			others = append(others, m)
		}
	}
	for name, want := range map[string]int{"n": len(stream), "some": some, "distinct": len(distinct)} {
		if field(name) != strconv.Itoa(want) {
			return fmt.Sprintf("%s is %s, not %d", name, field(name), want)
		}
	}
	if wrong := compareNumbersWithNaive(field, numbers, whole); wrong != "" {
		return wrong
	}
	return compareOrderWithNaive(field, others)
}

func rational(text string) *big.Rat {
	f := parsed([]byte(text))
	if f.kind == Int {
		return new(big.Rat).SetInt64(f.int())
	}
	return new(big.Rat).SetFloat64(f.float())
}

func toFloat64(r *big.Rat) float64 { f, _ := r.Float64(); return f }

const epsilon = 0x1p-52

func compareNumbersWithNaive(field func(string) string, numbers []*big.Rat, whole bool) string {
	n := len(numbers)
	want := map[string]*big.Rat{}
	tolerance := map[string]float64{}
	sum, size := new(big.Rat), new(big.Rat)
	for _, r := range numbers {
		sum.Add(sum, r)
		size.Add(size, new(big.Rat).Abs(r))
	}
	if n > 0 {
		count := new(big.Rat).SetInt64(int64(n))
		mean := new(big.Rat).Quo(sum, count)
		squares := new(big.Rat)
		for _, r := range numbers {
			d := new(big.Rat).Sub(r, mean)
			squares.Add(squares, d.Mul(d, d))
		}
		pop := new(big.Rat).Quo(squares, count)
		rounding := float64(n*n) * epsilon * epsilon * toFloat64(size)
		want["sum"], tolerance["sum"] = sum, 2*epsilon*math.Abs(toFloat64(sum))+rounding
		want["avg"], tolerance["avg"] = mean, 4*epsilon*math.Abs(toFloat64(mean))+rounding
		if whole && sum.Num().IsInt64() {
			tolerance["sum"] = 0
		}
		slices.SortFunc(numbers, (*big.Rat).Cmp)
		biggest := math.Max(math.Abs(toFloat64(numbers[0])), math.Abs(toFloat64(numbers[n-1])))
		spread := math.Sqrt(toFloat64(pop))
		loose := 32 * float64(n) * epsilon * (spread*spread + biggest*spread + float64(n)*epsilon*biggest*biggest)
		want["variance_pop"], tolerance["variance_pop"] = pop, loose
		if n > 1 {
			want["variance"], tolerance["variance"] = new(big.Rat).Quo(squares, new(big.Rat).SetInt64(int64(n-1))), 2*loose
		}
		want["lo"], want["hi"] = numbers[0], numbers[n-1]
		want["median"], want["p"] = interpolated(numbers, big.NewRat(1, 2)), interpolated(numbers, big.NewRat(995, 1000))
		tolerance["median"], tolerance["p"] = 4*epsilon*biggest, 4*epsilon*biggest
		if n%2 == 1 {
			tolerance["median"] = 0
			if !whole {
				tolerance["median"] = epsilon * biggest // a large integer among floats is one
			}
		}
	}
	for _, name := range []string{"sum", "avg", "lo", "hi", "variance", "variance_pop", "median", "p"} {
		got := field(name)
		if want[name] == nil {
			if got != "null" {
				return name + " of nothing is " + got
			}
			continue
		}
		if got == "null" {
			return name + " is null"
		}
		off := math.Abs(toFloat64(new(big.Rat).Sub(rational(got), want[name])))
		if off > tolerance[name] {
			return fmt.Sprintf("%s is %s, not %s; off by %g, allowed %g", name, got, want[name].FloatString(20), off, tolerance[name])
		}
	}
	for _, name := range []string{"variance", "variance_pop"} {
		root := strings.Replace(name, "variance", "stddev", 1)
		if field(name) != "null" && field(root) != "null" {
			r, v := toFloat64(rational(field(root))), toFloat64(rational(field(name)))
			if math.Abs(r*r-v) > 4*epsilon*v {
				return root + " is not the root of " + name
			}
		} else if field(name) != field(root) {
			return root + " is " + field(root)
		}
	}
	return ""
}

func interpolated(sorted []*big.Rat, part *big.Rat) *big.Rat {
	rank := new(big.Rat).Mul(part, new(big.Rat).SetInt64(int64(len(sorted)-1)))
	lower := new(big.Int).Quo(rank.Num(), rank.Denom())
	i := int(lower.Int64())
	rank.Sub(rank, new(big.Rat).SetInt(lower))
	d := new(big.Rat).Sub(sorted[min(i+1, len(sorted)-1)], sorted[i])
	return d.Add(sorted[i], d.Mul(d, rank))
}

func compareOrderWithNaive(field func(string) string, list []stored) string {
	slices.SortStableFunc(list, func(x, y stored) int { return int(x.at - y.at) })
	want := map[string]string{"first": "null", "last": "null", "wlo": "null", "whi": "null"}
	var texts []string
	for _, m := range list {
		texts = append(texts, m.w)
	}
	if len(texts) > 0 {
		want["first"], want["last"] = texts[0], texts[len(texts)-1]
		order := func(x, y string) int {
			if x[0] == '"' {
				return strings.Compare(x, y)
			}
			return rational(x).Cmp(rational(y))
		}
		want["wlo"], want["whi"] = slices.MinFunc(texts, order), slices.MaxFunc(texts, order)
	}
	want["many"] = "[" + strings.Join(texts, ",") + "]"
	want["few"] = "[" + strings.Join(texts[:min(5, len(texts))], ",") + "]"
	for name, text := range want {
		got := field(name)
		if (name == "wlo" || name == "whi") && text != "null" && text[0] != '"' && got != "null" && rational(got).Cmp(rational(text)) == 0 {
			continue
		}
		if got != text {
			return fmt.Sprintf("%s is %s, not %s", name, got, text)
		}
	}
	return ""
}

// TestSketches: beyond 1,024 values percentiles are off by at most 1 %, and counts of different values by little.
func TestSketches(t *testing.T) {
	g := gather(t, "n: count_distinct(payload.v)\nmedian: median(payload.v)\np: percentile(payload.v, 99.5)\nlo: percentile(payload.v, 0)\nq: percentile(payload.v, 3)")
	seeds := 40
	if testing.Short() {
		seeds = 8
	}
	for seed := range seeds {
		random := rand.New(rand.NewPCG(uint64(seed), 3))
		var stream []stored
		var numbers []*big.Rat
		distinct := map[float64]bool{}
		for i := range 1025 + random.IntN(8000) {
			f := math.Exp(random.NormFloat64() * 4)
			switch seed % 4 {
			case 1:
				f = -f
			case 2:
				f = random.Float64()*100 - 30
			case 3:
				f = float64(random.IntN(2) * 100)
			}
			distinct[f] = true
			m := stored{v: strconv.FormatFloat(f, 'g', -1, 64), w: "null", seq: uint64(i)}
			stream = append(stream, m)
			numbers = append(numbers, rational(m.v))
		}
		slices.SortFunc(numbers, (*big.Rat).Cmp)
		tally := g.tallyOf(random, stream)
		if size := g.a.size(tally); size > 40<<10 {
			t.Errorf("seed %d: a tally takes %d bytes", seed, size)
		}
		got := g.result(tally)
		field := func(name string) float64 { return jsonscan.Get([]byte(got), name).Float() }
		for name, part := range map[string]*big.Rat{"median": big.NewRat(1, 2), "p": big.NewRat(995, 1000), "q": big.NewRat(3, 100), "lo": {}} {
			want := toFloat64(interpolated(numbers, part))
			if off := math.Abs(field(name) - want); off > 0.01*math.Abs(want) {
				t.Errorf("seed %d, %d values: %s is %g, not %g", seed, len(stream), name, field(name), want)
			}
		}
		if want := float64(len(distinct)); math.Abs(field("n")-want) > 0.04*want {
			t.Errorf("seed %d: %g different values, not %g", seed, field("n"), want)
		}
	}
}
