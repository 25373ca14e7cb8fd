package rules

import (
	stdcmp "cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// A windowModel is the naive implementation.
type windowModel struct {
	*windowCase
	all        []*storedMessage
	out        []string
	kept, late int64
	mark       int64
	marked     bool
	passed     []map[uint64]bool
	pending    [][]storedMessage // raises, by source
	sources    []modelSource
	seen       map[int]int64 // by device, of count windows
	sessions   map[int][][]*storedMessage
}

type storedMessage struct {
	windowMessage
	seq    int
	starts []int64 // of its windows
	done   bool    // its own window has given its result
}

type modelSource struct {
	newest, heard       int64
	some, began, silent bool
}

func newWindowModel(c *windowCase) *windowModel {
	m := &windowModel{windowCase: c, mark: math.MinInt64, sources: make([]modelSource, c.sources), seen: map[int]int64{}, sessions: map[int][][]*storedMessage{}}
	for range c.sources {
		m.passed = append(m.passed, map[uint64]bool{})
		m.pending = append(m.pending, nil)
	}
	return m
}

func (m *windowModel) run() []string {
	for i, in := range m.messages {
		if m.event {
			m.silence(in.now - 1)
		}
		if !in.stranger {
			one := &storedMessage{windowMessage: in, seq: i}
			if m.event {
				m.arrive(one)
			} else {
				m.all = append(m.all, one)
				m.kept++
			}
		}
		if m.event {
			m.passed[in.source][in.order] = true
			m.raise(in.now)
		}
	}
	if m.event {
		m.silence(m.until)
		return m.out
	}
	m.kept = 0
	m.byClock()
	return m.out
}

// startsOf gives the windows that a time is in, the latest first. Times are since the start of the test.
func (m *windowModel) startsOf(at int64) (starts []int64) {
	for s := at; s > at-m.size; s-- {
		if (s+m.base-m.offset)%m.hop == 0 {
			starts = append(starts, s)
		}
	}
	return starts
}

// tell writes the result of a window.
func (m *windowModel) tell(now, start, end int64, list []*storedMessage) {
	if len(list) == 3 { // having
		return
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *storedMessage) int {
		return stdcmp.Or(stdcmp.Compare(a.time(m.event), b.time(m.event)), stdcmp.Compare(a.seq, b.seq))
	})
	sum, lo, hi, values := int64(0), list[0].v, list[0].v, ""
	for i, one := range list {
		sum, lo, hi = sum+one.v, min(lo, one.v), max(hi, one.v)
		if i > 0 {
			values += ","
		}
		values += fmt.Sprint(one.v)
	}
	wide := fmt.Sprintf(`"f":%d,"l":%d,"c":[%s],`, list[0].v, list[len(list)-1].v, values)
	if m.narrow {
		wide = ""
	}
	m.out = append(m.out, fmt.Sprintf(`%v dead {"k":%d,"n":%d,"sum":%d,"lo":%d,"hi":%d,%s"s":%d,"e":%d}`, time.Duration(now*perMs),
		list[0].device, len(list), sum, lo, hi, wide, start+m.base, end+m.base))
}

func (s *storedMessage) time(event bool) int64 {
	if event {
		return s.at
	}
	return s.now
}

// A modelWindow is a window with all its messages.
type modelWindow struct {
	start, end int64
	first      int // seq
	list       []*storedMessage
}

func sortWindows(list []*modelWindow) {
	slices.SortStableFunc(list, func(a, b *modelWindow) int {
		return stdcmp.Or(stdcmp.Compare(a.end, b.end), stdcmp.Compare(a.first, b.first))
	})
}

// aligned groups messages by window and key.
func (m *windowModel) aligned(starts func(*storedMessage) []int64) []*modelWindow {
	type id struct {
		start  int64
		device int
	}
	windows := map[id]*modelWindow{}
	for _, one := range m.all {
		for _, s := range starts(one) {
			w := windows[id{s, one.device}]
			if w == nil {
				w = &modelWindow{start: s, end: s + m.size, first: one.seq}
				windows[id{s, one.device}] = w
			}
			w.list = append(w.list, one)
		}
	}
	list := slices.Collect(maps.Values(windows))
	sortWindows(list)
	return list
}

// arrive is one message in event time.
func (m *windowModel) arrive(one *storedMessage) {
	s := &m.sources[one.source]
	if !s.began {
		for i := range m.sources {
			if other := &m.sources[i]; !other.began {
				other.began, other.heard = true, one.now
			}
		}
	}
	s.heard, s.silent = one.now, false
	m.place(one)
	m.pending[one.source] = append(m.pending[one.source], *one)
	m.raise(one.now)
}

func (m *windowModel) closed(end int64) bool { return m.marked && end+m.grace <= m.mark }

// place puts a message into its windows, or counts it as late.
func (m *windowModel) place(one *storedMessage) {
	switch m.kind {
	case "sliding":
		if m.closed(one.at) {
			m.isLate(one)
			return
		}
	case "session":
		if !m.intoSession(one) {
			m.isLate(one)
			return
		}
	default:
		all := m.startsOf(one.at)
		if len(all) == 0 {
			return
		}
		one.starts = slices.DeleteFunc(all, func(s int64) bool { return m.closed(s + m.size) })
		if len(one.starts) == 0 {
			m.isLate(one)
			return
		}
	}
	m.kept++
	m.all = append(m.all, one)
}

func (m *windowModel) isLate(one *storedMessage) {
	m.late++
	m.out = append(m.out, fmt.Sprint(time.Duration(one.now*perMs), " late"))
}

func spanOf(list []*storedMessage) (from, to int64) {
	from, to = list[0].at, list[0].at
	for _, one := range list {
		from, to = min(from, one.at), max(to, one.at)
	}
	return from, to
}

func (m *windowModel) endOf(list []*storedMessage) int64 {
	from, to := spanOf(list)
	end := to + m.gap
	if m.most > 0 {
		end = min(end, from+m.most)
	}
	return end
}

// intoSession adds a message to the sessions of its key that are open.
func (m *windowModel) intoSession(one *storedMessage) bool {
	open := m.sessions[one.device]
	if m.most == 0 { // from scratch: all that is open, cut where there is a gap
		all := []*storedMessage{one}
		for _, list := range open {
			all = append(all, list...)
		}
		slices.SortStableFunc(all, func(a, b *storedMessage) int { return stdcmp.Compare(a.at, b.at) })
		var cut [][]*storedMessage
		for i, x := range all {
			if i == 0 || x.at-all[i-1].at >= m.gap {
				cut = append(cut, nil)
			}
			cut[len(cut)-1] = append(cut[len(cut)-1], x)
		}
		for _, list := range cut {
			if slices.Contains(list, one) && m.closed(m.endOf(list)) {
				return false
			}
		}
		m.sessions[one.device] = cut
		return true
	}
	var mine []*storedMessage
	var rest [][]*storedMessage
	slices.SortFunc(open, func(a, b []*storedMessage) int {
		x, _ := spanOf(a)
		y, _ := spanOf(b)
		return stdcmp.Compare(x, y)
	})
	for _, list := range open {
		from, to := spanOf(list)
		fits := func(from, to int64) bool { return to-from < m.most }
		joined := append(slices.Clone(mine), list...)
		f, l := spanOf(append(joined, one))
		if one.at < to+m.gap && one.at > from-m.gap && fits(min(from, one.at), max(to, one.at)) && fits(f, l) {
			mine = joined
			continue
		}
		rest = append(rest, list)
	}
	mine = append(mine, one)
	if m.closed(m.endOf(mine)) {
		return false
	}
	m.sessions[one.device] = append(rest, mine)
	return true
}

// raise takes in the timestamps of messages before which all have passed, and closes what is due.
func (m *windowModel) raise(now int64) {
	for i := range m.sources {
		s := &m.sources[i]
		m.pending[i] = slices.DeleteFunc(m.pending[i], func(p storedMessage) bool {
			for order := uint64(1); order < p.order; order++ {
				if !m.passed[i][order] {
					return false
				}
			}
			if !s.some || p.at > s.newest {
				s.newest, s.some = p.at, true
			}
			return true
		})
	}
	m.move()
	m.close(now)
}

func (m *windowModel) move() {
	lowest := int64(math.MaxInt64)
	for _, s := range m.sources {
		switch {
		case s.silent:
		case !s.some:
			return
		default:
			lowest = min(lowest, s.newest)
		}
	}
	if lowest != math.MaxInt64 && (!m.marked || lowest > m.mark) {
		m.mark, m.marked = lowest, true
	}
}

// open gives the windows that have not given their result, with all that is in them.
func (m *windowModel) open() (windows []*modelWindow) {
	switch m.kind {
	case "sliding":
		for _, one := range m.all {
			if one.done {
				continue
			}
			w := &modelWindow{start: one.at - m.size, end: one.at, first: one.seq}
			for _, other := range m.all {
				if other.device == one.device && other.at > w.start && other.at <= w.end {
					w.list = append(w.list, other)
					w.first = min(w.first, other.seq)
				}
			}
			windows = append(windows, w)
		}
	case "session":
		for _, lists := range m.sessions {
			for _, list := range lists {
				from, _ := spanOf(list)
				w := &modelWindow{start: from, end: m.endOf(list), list: list, first: list[0].seq}
				for _, one := range list {
					w.first = min(w.first, one.seq)
				}
				windows = append(windows, w)
			}
		}
	default:
		windows = m.aligned(func(s *storedMessage) []int64 { return s.starts })
	}
	sortWindows(windows)
	return windows
}

func (m *windowModel) close(now int64) {
	for _, w := range m.open() {
		if !m.closed(w.end) {
			continue
		}
		m.tell(now, w.start, w.end, w.list)
		for _, one := range w.list {
			one.starts = slices.DeleteFunc(one.starts, func(s int64) bool { return s == w.start })
			one.done = one.done || one.at == w.end
		}
		device := w.list[0].device
		m.sessions[device] = slices.DeleteFunc(m.sessions[device], func(list []*storedMessage) bool { return list[0] == w.list[0] })
	}
}

// silence lets sources fall idle until a time.
func (m *windowModel) silence(until int64) {
	for m.idle > 0 {
		first := int64(math.MaxInt64)
		for _, s := range m.sources {
			if s.began && !s.silent {
				first = min(first, s.heard+m.idle)
			}
		}
		if first > until {
			return
		}
		all := true
		for i := range m.sources {
			s := &m.sources[i]
			s.silent = s.silent || s.began && s.heard+m.idle <= first
			all = all && s.silent
		}
		if all {
			for _, w := range m.open() {
				if !m.marked || w.end+m.grace > m.mark {
					m.mark, m.marked = w.end+m.grace, true
				}
			}
		} else {
			m.move()
		}
		m.close(first)
	}
}
