package rules

import (
	"fmt"
	"strings"
	"testing"
)

// full gathers something of every kind: exact ones, and sketches.
func full(g *gatherer) []*tally {
	few, many := g.a.start(), g.a.start()
	for i := range 20 {
		for _, payload := range []string{`{"v":%d,"w":"a\u0062%d"}`, `{"v":%d.25,"w":{"x":%d}}`, `{"w":null}`} {
			if strings.Contains(payload, "%") {
				payload = fmt.Sprintf(payload, i-5, i)
			}
			_ = g.add(few, int64(i%7), payload)
		}
	}
	for i := range 2000 {
		_ = g.add(many, int64(i%7), fmt.Sprintf(`{"v":%d,"w":%d.50}`, (i-1000)*(i-1000)*(i-1000), i))
	}
	return []*tally{g.a.start(), few, many}
}

const kinds = everything + `
date: max(date(1000 * len(string(payload.w))))
span: min(duration("1s") * 1)
point: 'last({x: payload.v})'`

// What is written of a tally comes back, and what is cut off or of another version is an error.
func TestTallyComesBack(t *testing.T) {
	g := gather(t, strings.Replace(kinds, `duration("1s") * 1`, `duration(string(payload.v) + "s")`, 1))
	for i, tally := range full(g) {
		want := g.result(tally)
		text := g.a.append(nil, tally)
		if got := g.result(g.again(tally)); got != want {
			t.Errorf("tally %d came back as\n\t%s\nwas\n\t%s", i, got, want)
		}
		for n := range min(len(text), 3000) {
			if _, _, err := g.a.load(text[:n]); err == nil {
				t.Errorf("tally %d: %d of %d bytes are enough", i, n, len(text))
			}
		}
		text[0]++
		if _, _, err := g.a.load(text); err == nil {
			t.Error("another version is read")
		}
	}
}

// FuzzTally: damaged state is an error or a tally that works, and never a panic.
func FuzzTally(f *testing.F) {
	g := gather(f, kinds)
	tallies := full(g)
	for _, tally := range tallies {
		f.Add(g.a.append(nil, tally))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tally, rest, err := g.a.load(text)
		if err != nil {
			return
		}
		if len(rest) > len(text) {
			t.Error("more is left than there was")
		}
		g.t = t
		_ = g.add(tally, 3, `{"v":1.5,"w":7}`)
		_ = g.add(tally, 3, `{"v":3,"w":"x"}`)
		g.a.merge(tally, tallies[1])
		sum := g.a.start()
		g.a.merge(sum, tally)
		_ = g.result(tally)
		if _, _, err := g.a.load(g.a.append(nil, sum)); err != nil {
			t.Error(err)
		}
	})
}
