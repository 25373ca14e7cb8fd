package rules

// What it costs to leave a line or an output alone, and to hold them against each other where they differ: a pair
// is better than two that are alone, and best where sink and address are the same.
const (
	costAlone     = 6
	costDifferent = 11
	costSameSink  = 8
	costSamePlace = 5
)

const maxAligned = 1 << 20 // lines times outputs; more are held against each other one by one

// align pairs lines and outputs so that as much as can be agrees.
func (r *TestResult) align(units []int) []pair {
	n, m := len(units), len(r.plan.outputs)
	expected := func(i int) *expectSpec { return &r.Test.spec.Expect[units[i]] }
	came := func(j int) *Output { return &r.Outputs[r.plan.outputs[j]] }
	var pairs []pair
	same := func(i, j int) { // pairs both, whatever they are
		pairs = append(pairs, pair{units[i], r.plan.outputs[j], expected(i).differences(came(j))})
	}
	begin := 0
	for begin < min(n, m) && len(expected(begin).differences(came(begin))) == 0 {
		same(begin, begin)
		begin++
	}
	if rest := (n - begin) * (m - begin); rest > maxAligned || begin == n || begin == m {
		for i := begin; i < max(n, m); i++ {
			switch {
			case i >= m:
				pairs = append(pairs, pair{units[i], -1, nil})
			case i >= n:
				pairs = append(pairs, pair{-1, r.plan.outputs[i], nil})
			default:
				same(i, i)
			}
		}
		return pairs
	}
	width := m - begin + 1
	best := make([]int, (n-begin+1)*width) // cost from a line and an output on
	cost := func(i, j int) *int { return &best[(i-begin)*width+j-begin] }
	together := func(i, j int) int { return *cost(i+1, j+1) + expected(i).distance(came(j)) }
	for i := n; i >= begin; i-- {
		for j := m; j >= begin; j-- {
			switch {
			case i == n:
				*cost(i, j) = (m - j) * costAlone
			case j == m:
				*cost(i, j) = (n - i) * costAlone
			default:
				*cost(i, j) = min(together(i, j), *cost(i+1, j)+costAlone, *cost(i, j+1)+costAlone)
			}
		}
	}
	for i, j := begin, begin; i < n || j < m; {
		switch {
		case i < n && j < m && *cost(i, j) == together(i, j):
			same(i, j)
			i, j = i+1, j+1
		case i < n && *cost(i, j) == *cost(i+1, j)+costAlone:
			pairs = append(pairs, pair{units[i], -1, nil})
			i++
		default:
			pairs = append(pairs, pair{-1, r.plan.outputs[j], nil})
			j++
		}
	}
	return pairs
}

// distance says how little a line and an output have to do with each other.
func (e *expectSpec) distance(o *Output) int {
	list := e.differences(o)
	if len(list) == 0 {
		return 0
	}
	sink, address := true, true
	for _, d := range list {
		switch d.Path {
		case "sink":
			sink = false
		case "topic", "subject", "path":
			address = false
		}
	}
	switch {
	case sink && address:
		return costSamePlace
	case sink:
		return costSameSink
	}
	return costDifferent
}
