package rules

// A trail is what changed of one key and is not on disk yet.
type trail struct{}

// changed notes that what is kept of k in a slot is not what it was.
func (m *memory) changed(k *kept, slot int) {}
