package rules

import "time"

// tolerance is how far the engine's clock may be off from the wall clock before windows align anew.
const tolerance = time.Second

// drift is how much later the wall clock is than now, which is of the engine's clock: that one began with the wall
// clock and does not follow its steps since. Less than a second is none.
func (p *Program) drift(now time.Time) time.Duration {
	if p.wall == nil {
		return 0
	}
	wall := p.wall()
	d := wall.Round(0).Sub(now.Round(0)) // by the wall
	if isMonotonic(wall) && isMonotonic(now) {
		d -= wall.Sub(now) // what has passed since now was read
	}
	if d.Abs() <= tolerance {
		return 0
	}
	return d
}

func isMonotonic(t time.Time) bool { return t != t.Round(0) }

// An alignment tells the time of the wall by the engine's clock. When the wall clock was set, the windows that are
// open close when they were planned to, and then the next align anew.
type alignment struct {
	shift  int64 // of the wall
	coming int64 // the shift to come
	from   int64 // when it comes, by the engine's clock; 0: none
}

// at is called before a time is used.
func (a *alignment) at(now int64) {
	if a.from != 0 && now >= a.from {
		a.shift, a.from = a.coming, 0
	}
}

// check looks at the wall clock when a window is about to open. last is when the last of the open ones closes, 0
// if none is open. It says whether the alignment is another one now.
func (a *alignment) check(drift, now, last int64) (changed bool) {
	if a.from != 0 || time.Duration(drift-a.shift).Abs() <= tolerance {
		return false
	}
	a.coming, a.from = drift, max(last, now)
	a.at(now)
	return true
}

// told gives a time of a window that is not aligned, as its result tells it. In processing time that is the wall's.
func (w *windows) told(r *rule, l *lane, at int64) int64 {
	if w.event != nil {
		return at
	}
	return at + int64(r.set.drift(l.scope.now))
}
