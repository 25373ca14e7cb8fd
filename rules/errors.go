package rules

import (
	"errors"
	"fmt"
)

// A Class names a kind of per-message error: in dead letters, in metrics and in logs.
type Class string

// The classes of errors of a message. Those of coordinates are in package geo.
const (
	BadPayload     Class = "bad_payload"
	TooLarge       Class = "too_large"
	MissingField   Class = "missing_field"
	WrongType      Class = "wrong_type"
	Overflow       Class = "overflow"
	DivisionByZero Class = "division_by_zero"
	NotFinite      Class = "not_finite"
	NotBoolean     Class = "not_boolean"
	NullKey        Class = "null_key"
	NullAddress    Class = "null_address"
	BadAddress     Class = "bad_address"
	BadTimestamp   Class = "bad_timestamp"
	Late           Class = "late"
	LimitReached   Class = "limit"
	Hops           Class = "hops"
	Panic          Class = "panic"
	Rejected       Class = "rejected"
	Expired        Class = "expired"
)

// An evalError is what is wrong with a message, found by an expression.
type evalError struct {
	Class   Class
	Message string
	at      int // where in the expression, in characters from its start; -1 unknown
}

func (e *evalError) Error() string { return e.Message }

func fail(class Class, format string, args ...any) error {
	return &evalError{Class: class, Message: fmt.Sprintf(format, args...), at: -1}
}

// classOf gives the class of an error that an expression returned.
func classOf(err error) Class {
	var known *evalError
	if errors.As(err, &known) {
		return known.Class
	}
	return WrongType
}

// locate says where in its expression an error came up, if nobody closer has.
func locate(err error, at int) error {
	if known, ok := err.(*evalError); ok && known.at < 0 {
		known.at = at
	}
	return err
}
