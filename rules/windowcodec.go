package rules

import "encoding/binary"

// The forms on disk of open windows. Times are of the engine's clock in processing time, and plain in event time.

func (w *window) load(d *decoder) memo { return w.open.kind.load(d) }

// time reads a time of a window.
func (w *windows) time(d *decoder) int64 {
	if w.event != nil {
		return d.varint()
	}
	return d.later()
}

func (w *windows) tally(d *decoder) *tally {
	t, rest, err := w.aggregate.load(d.src)
	if err != nil {
		d.fail()
		return w.aggregate.start()
	}
	d.src = rest
	return t
}

// began does not order windows: those of a key are in order, and more is not promised.
func (p *pane) began() int64        { return 0 }
func (p *panes) began() int64       { return 0 }
func (k *keyCounts) began() int64   { return 0 }
func (k *keySessions) began() int64 { return 0 }
func (s *slider) began() int64      { return 0 }

func (p *pane) append(dst []byte) []byte { return p.appendOne(append(dst, 1)) }

func (p *pane) appendOne(dst []byte) []byte {
	dst = binary.AppendVarint(appendTime(dst, p.span.due), p.span.end)
	return p.span.of.aggregate.append(dst, p.tally)
}

func (p *panes) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(p.list)))
	for _, one := range p.list {
		dst = one.appendOne(dst)
	}
	return dst
}

func (a *aligned) load(d *decoder) memo {
	many := &panes{}
	for range d.count(3) {
		p := &pane{span: &span{of: a, timer: timer{due: a.time(d)}, end: d.varint()}, tally: a.tally(d)}
		many.list = append(many.list, p)
	}
	switch {
	case len(many.list) == 0:
		return nil
	case len(many.list) == 1 && a.size == a.hop:
		return many.list[0]
	}
	return many
}

func (p *pane) join(_ *memory, k *kept, _ int, _ int64) {
	a, own := p.span.of, p.span
	b := a.spans[own.due]
	if b == nil {
		b = a.openSpan(own.due, own.end)
	}
	p.kept, p.span = k, b
	b.append(p)
	b.live++
	a.open++
}

func (p *panes) join(m *memory, k *kept, slot int, now int64) {
	for _, one := range p.list {
		one.join(m, k, slot, now)
	}
}

func (k *keyCounts) append(dst []byte) []byte {
	dst = binary.AppendUvarint(binary.AppendVarint(dst, k.next), uint64(len(k.list)))
	for i := range k.list {
		one := &k.list[i]
		dst = k.of.aggregate.append(binary.AppendVarint(appendTime(dst, one.from), one.n), one.messages)
	}
	return dst
}

func (c *counts) load(d *decoder) memo {
	k := &keyCounts{of: c, next: d.varint()}
	for range d.count(3) {
		k.list = append(k.list, oneCount{from: c.time(d), n: d.varint(), messages: c.tally(d)})
	}
	return k
}

func (k *keyCounts) join(*memory, *kept, int, int64) { k.of.open += len(k.list) }

func (k *keySessions) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(k.list)))
	for _, one := range k.list {
		dst = binary.AppendUvarint(appendTime(appendTime(dst, one.from), one.to), one.seq)
		dst = k.of.aggregate.append(dst, one.messages)
	}
	return dst
}

func (s *sessions) load(d *decoder) memo {
	k := &keySessions{of: s}
	for range d.count(4) {
		one := &oneSession{from: s.time(d), to: s.time(d), timer: timer{seq: d.any()}, messages: s.tally(d)}
		k.list = append(k.list, one)
		s.seq = max(s.seq, one.seq)
	}
	if len(k.list) == 0 {
		return nil
	}
	return k
}

func (k *keySessions) join(_ *memory, of *kept, _ int, _ int64) {
	for _, one := range k.list {
		one.kept, one.due = of, k.of.end(one.from, one.to)
		k.of.ends.add(one)
		k.of.open++
	}
}

func (s *slider) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.list)))
	for i := range s.list {
		one := &s.list[i]
		dst = binary.AppendUvarint(appendTime(dst, one.at), one.seq)
		dst = appendValues(append(dst, flag(one.told)), one.values)
	}
	return dst
}

func (s *slidings) load(d *decoder) memo     { return s.slider(d, &s.silent) }
func (s *lateSlidings) load(d *decoder) memo { return s.slider(d, &s.silent) }

func (w *windows) slider(d *decoder, tail *timers[*slider]) memo {
	s := &slider{of: w, tail: tail}
	for range d.count(4) {
		one := slid{at: w.time(d), seq: d.any(), told: d.byte() == 1, values: d.values()}
		s.list = append(s.list, one)
		w.seq = max(w.seq, one.seq)
	}
	if len(s.list) == 0 {
		return nil
	}
	return s
}

func (s *slider) join(_ *memory, k *kept, _ int, _ int64) {
	s.kept = k
	s.of.open += len(s.list)
	size := int64(0)
	switch kind := s.of.kind.(type) {
	case *slidings:
		size = kind.size
	case *lateSlidings:
		size = kind.size
		for i := range s.list {
			if one := &s.list[i]; !one.told {
				kind.results.add(&slidResult{timer: timer{due: one.at, seq: one.seq}, of: s})
			}
		}
	}
	s.due, s.seq = s.list[len(s.list)-1].at+size, s.list[0].seq
	s.tail.add(s)
}

// told notes that the result of a message was handed on.
func (s *slider) wasTold(seq uint64) {
	for i := range s.list {
		if s.list[i].seq == seq {
			s.list[i].told = true
		}
	}
}

// appendCommon writes how far event time is: a window that has closed must not open again.
func (w *windows) appendCommon(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, w.seq)
	if w.event == nil {
		return dst
	}
	e := w.event
	dst = binary.AppendVarint(append(dst, flag(e.marked)), e.mark)
	dst = binary.AppendUvarint(dst, uint64(len(e.sources)))
	for i := range e.sources {
		s := &e.sources[i]
		dst = append(dst, flag(s.some)|flag(s.began)<<1|flag(s.silent)<<2)
		dst = binary.AppendVarint(dst, s.newest)
	}
	return dst
}

// loadCommon reads it. A source counts as heard now: nobody listened while edge was away.
func (w *windows) loadCommon(d *decoder) {
	w.seq = max(w.seq, d.any())
	if w.event == nil {
		return
	}
	e := w.event
	marked, mark := d.byte() == 1, d.varint()
	n := d.count(2)
	if n != len(e.sources) {
		d.fail()
		return
	}
	sources := make([]sourceTime, n)
	for i := range sources {
		flags := d.byte()
		sources[i] = sourceTime{some: flags&1 != 0, began: flags&2 != 0, silent: flags&4 != 0, newest: d.varint(), heard: d.now}
	}
	if d.err == nil {
		e.marked, e.mark, e.sources = marked, mark, sources
	}
}
