//go:build !unix

package loadtest

// Own is what this process has used; false where that cannot be known.
func Own() (u Usage, ok bool) { return u, false }
