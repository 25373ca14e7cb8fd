package rules

// A budget bounds what one evaluation may do, since an expression can be neither cancelled nor trusted
// with the size of what a sender sends.
type budget struct {
	steps int // of loops, list elements and comparisons
	bytes int // of text and JSON that was built
}

const (
	maxSteps = 1_000_000
	maxBytes = 16 << 20
)

// spend takes from the budget. A nil budget has no end.
func (b *budget) spend(steps, bytes int) error {
	if b == nil {
		return nil
	}
	b.steps += steps
	b.bytes += bytes
	if b.steps > maxSteps {
		return fail(LimitReached, "the expression takes more than %d steps", maxSteps)
	}
	if b.bytes > maxBytes || b.bytes < 0 {
		return fail(LimitReached, "the expression builds more than %d MiB", maxBytes>>20)
	}
	return nil
}
