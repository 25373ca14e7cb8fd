package rules

import (
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"unicode/utf8"

	"edge/internal/jsonscan"
)

// textFunctions work on text. None of them makes text that is no UTF-8 of text that is.
var textFunctions = byName(
	&function{name: "string", min: 1, max: 1, call: toText},
	&function{name: "raw", min: 1, max: 1, call: rawText},
	textToText("upper", strings.ToUpper),
	textToText("lower", strings.ToLower),
	&function{name: "trim", min: 1, max: 2, call: trim},
	trimEnd("trimPrefix", strings.TrimPrefix),
	trimEnd("trimSuffix", strings.TrimSuffix),
	splitter("split", strings.SplitN),
	splitter("splitAfter", strings.SplitAfterN),
	&function{name: "replace", min: 3, max: 4, call: replace},
	&function{name: "repeat", min: 2, max: 2, call: repeat},
	&function{name: "join", min: 1, max: 2, call: join},
	twoTexts("indexOf", func(s, t string) Value { return intValue(int64(strings.Index(s, t))) }),
	twoTexts("lastIndexOf", func(s, t string) Value { return intValue(int64(strings.LastIndex(s, t))) }),
	twoTexts("hasPrefix", func(s, t string) Value { return boolValue(strings.HasPrefix(s, t)) }),
	twoTexts("hasSuffix", func(s, t string) Value { return boolValue(strings.HasSuffix(s, t)) }),
	&function{name: "toJSON", min: 1, max: 1, call: toJSON},
	&function{name: "fromJSON", min: 1, max: 1, call: fromJSON},
	&function{name: "toBase64", min: 1, max: 1, call: toBase64},
	&function{name: "fromBase64", min: 1, max: 1, call: fromBase64},
)

func byName(functions ...*function) map[string]*function {
	library := make(map[string]*function, len(functions))
	for _, f := range functions {
		library[f.name] = f
	}
	return library
}

// textFrom gives the text of an argument. Reading costs steps, so that a loop over a long text ends; text with
// escapes is made anew, which costs its bytes.
func textFrom(c *scope, name string, v Value) (string, error) {
	if !v.isString() {
		return "", fail(WrongType, "%s takes text, not %s", name, v.typeName())
	}
	made := 0
	if v.kind == Escaped {
		made = len(v.text)
	}
	if err := c.budget.spend(reading(len(v.text)), made); err != nil {
		return "", err
	}
	return v.string(), nil
}

// reading is what it costs to go over some bytes once, in steps.
func reading(bytes int) int { return bytes >> 6 }

// spendText takes the size of a text that is about to be made from the budget. Sizes come as int64, for a
// product of two lengths is beyond an int where that has 32 bits.
func spendText(c *scope, size int64) error {
	return c.budget.spend(0, int(min(size, maxBytes+1)))
}

// wholeFrom gives a whole number, also one that is written as 3.0.
func wholeFrom(name string, v Value) (int64, error) {
	if i, ok := v.whole(); ok {
		return i, nil
	}
	if v.isNumber() {
		return 0, fail(WrongType, "%s takes a whole number, not %s", name, v.show())
	}
	return 0, fail(WrongType, "%s takes a whole number, not %s", name, v.typeName())
}

// clampInt makes an int of a count, where more than any text is long means all of it.
func clampInt(i int64) int { return int(max(-1, min(i, math.MaxInt32))) }

func textToText(name string, change func(string) string) *function {
	return &function{name: name, min: 1, max: 1, call: func(c *scope, args []Value) (Value, error) {
		s, err := textFrom(c, name, args[0])
		if err != nil {
			return null, err
		}
		if err = spendText(c, int64(len(s))); err != nil {
			return null, err
		}
		return stringValue(change(s)), nil
	}}
}

func twoTexts(name string, of func(s, t string) Value) *function {
	return &function{name: name, min: 2, max: 2, call: func(c *scope, args []Value) (Value, error) {
		s, err := textFrom(c, name, args[0])
		if err != nil {
			return null, err
		}
		t, err := textFrom(c, name, args[1])
		if err != nil {
			return null, err
		}
		return of(s, t), nil
	}}
}

// trim and its likes give part of a text and make none.
func trim(c *scope, args []Value) (Value, error) {
	s, err := textFrom(c, "trim", args[0])
	if err != nil {
		return null, err
	}
	if len(args) == 1 {
		return stringValue(strings.TrimSpace(s)), nil
	}
	chars, err := textFrom(c, "trim", args[1])
	if err != nil {
		return null, err
	}
	// Each byte of s may be held against all of chars.
	product := int64(reading(len(s))) * int64(reading(len(chars)))
	if err = c.budget.spend(int(min(product, maxSteps+1)), 0); err != nil {
		return null, err
	}
	return stringValue(strings.Trim(s, chars)), nil
}

func trimEnd(name string, cut func(s, end string) string) *function {
	return &function{name: name, min: 1, max: 2, call: func(c *scope, args []Value) (Value, error) {
		s, err := textFrom(c, name, args[0])
		if err != nil {
			return null, err
		}
		end := " "
		if len(args) == 2 {
			if end, err = textFrom(c, name, args[1]); err != nil {
				return null, err
			}
		}
		return stringValue(cut(s, end)), nil
	}}
}

func splitter(name string, split func(s, sep string, n int) []string) *function {
	return &function{name: name, min: 2, max: 3, call: func(c *scope, args []Value) (Value, error) {
		s, err := textFrom(c, name, args[0])
		if err != nil {
			return null, err
		}
		sep, err := textFrom(c, name, args[1])
		if err != nil {
			return null, err
		}
		most := int64(-1)
		if len(args) == 3 {
			if most, err = wholeFrom(name, args[2]); err != nil {
				return null, err
			}
		}
		pieces := strings.Count(s, sep) + 1
		if most >= 0 {
			pieces = int(min(int64(pieces), most))
		}
		const each = 48 // bytes that a piece takes beside its text
		if err = c.budget.spend(pieces, int(min(int64(pieces)*each, maxBytes+1))); err != nil {
			return null, err
		}
		list := make([]any, 0, pieces)
		for _, piece := range split(s, sep, clampInt(most)) {
			list = append(list, piece)
		}
		return boxed(list), nil
	}}
}

func replace(c *scope, args []Value) (Value, error) {
	var texts [3]string
	for i := range texts {
		var err error
		if texts[i], err = textFrom(c, "replace", args[i]); err != nil {
			return null, err
		}
	}
	s, from, to := texts[0], texts[1], texts[2]
	most := int64(-1)
	if len(args) == 4 {
		var err error
		if most, err = wholeFrom("replace", args[3]); err != nil {
			return null, err
		}
	}
	times := int64(strings.Count(s, from))
	if most >= 0 {
		times = min(times, most)
	}
	if times == 0 || from == to {
		return stringValue(s), nil
	}
	size := int64(len(s)) + times*(int64(len(to))-int64(len(from)))
	if err := spendText(c, size); err != nil {
		return null, err
	}
	return stringValue(strings.Replace(s, from, to, int(times))), nil
}

func repeat(c *scope, args []Value) (Value, error) {
	s, err := textFrom(c, "repeat", args[0])
	if err != nil {
		return null, err
	}
	times, err := wholeFrom("repeat", args[1])
	if err != nil {
		return null, err
	}
	if times < 0 {
		return null, fail(WrongType, "repeat takes a count of 0 or more, not %d", times)
	}
	if s == "" || times == 0 {
		return stringValue(""), nil
	}
	// The product cannot overflow: a text of maxBytes or more is refused whatever it is multiplied with.
	if err = spendText(c, int64(min(len(s), maxBytes+1))*min(times, maxBytes+1)); err != nil {
		return null, err
	}
	return stringValue(strings.Repeat(s, int(times))), nil
}

func join(c *scope, args []Value) (Value, error) {
	sep := ""
	if len(args) == 2 {
		var err error
		if sep, err = textFrom(c, "join", args[1]); err != nil {
			return null, err
		}
	}
	var parts []string
	size := int64(0)
	err := eachOf(c, "join", args[0], func(i int, v Value) error {
		if !v.isString() {
			return wrongElement("join", "text", i, v)
		}
		s, err := textFrom(c, "join", v)
		parts = append(parts, s)
		size += int64(len(s)) + int64(len(sep))
		return err
	})
	if err != nil {
		return null, err
	}
	if err = spendText(c, size); err != nil {
		return null, err
	}
	return stringValue(strings.Join(parts, sep)), nil
}

// toText gives text as it is, and everything else as JSON has it.
func toText(c *scope, args []Value) (Value, error) {
	v := args[0]
	if v.isString() {
		return v, nil
	}
	if v.isNumber() && v.text != "" {
		return stringValue(v.text), nil
	}
	out, err := encode(c, v)
	if err != nil {
		return null, err
	}
	if len(out) > 1 && out[0] == '"' { // a time or a duration
		out = out[1 : len(out)-1]
	}
	return stringValue(textOf(out)), nil
}

// rawText is what a template writes as it is, separators included.
func rawText(c *scope, args []Value) (Value, error) {
	if v := args[0]; v.kind >= Object {
		return null, fail(WrongType, "raw takes text, a number or a boolean, not %s", v.typeName())
	}
	return toText(c, args)
}

func toJSON(c *scope, args []Value) (Value, error) {
	out, err := encode(c, args[0])
	return stringValue(textOf(out)), err
}

// encode gives v as JSON without white space.
func encode(c *scope, v Value) ([]byte, error) {
	switch v.kind {
	case String, Escaped, Object, Array:
		if err := spendText(c, int64(len(v.text))); err != nil {
			return nil, err
		}
	}
	if v.kind == Object || v.kind == Array {
		return compact(v.text), nil
	}
	return v.appendJSON(nil, &c.budget)
}

// compact leaves the white space between the tokens of valid JSON out.
func compact(raw string) []byte {
	out := make([]byte, 0, len(raw))
	quoted := false
	for i := 0; i < len(raw); i++ {
		b := raw[i]
		if quoted && b == '\\' {
			out = append(out, b, raw[i+1])
			i++
			continue
		}
		if b == '"' {
			quoted = !quoted
		}
		if quoted || b > ' ' {
			out = append(out, b)
		}
	}
	return out
}

func fromJSON(c *scope, args []Value) (Value, error) {
	s, err := textFrom(c, "fromJSON", args[0])
	if err != nil {
		return null, err
	}
	if err = jsonscan.Valid(bytesOf(s), 0); err != nil {
		if errors.Is(err, jsonscan.ErrDepth) {
			return null, fail(LimitReached, "fromJSON: %s", err)
		}
		return null, fail(WrongType, "fromJSON takes the text of JSON: %s", err)
	}
	return parsed(bytesOf(s)), nil
}

func toBase64(c *scope, args []Value) (Value, error) {
	s, err := textFrom(c, "toBase64", args[0])
	if err != nil {
		return null, err
	}
	if err = spendText(c, int64(len(s))*4/3); err != nil {
		return null, err
	}
	return stringValue(base64.StdEncoding.EncodeToString(bytesOf(s))), nil
}

func fromBase64(c *scope, args []Value) (Value, error) {
	s, err := textFrom(c, "fromBase64", args[0])
	if err != nil {
		return null, err
	}
	if err = spendText(c, int64(len(s))); err != nil {
		return null, err
	}
	out, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return null, fail(WrongType, "fromBase64 takes base64, not %s", args[0].show())
	}
	// Values are JSON, and JSON has no bytes: what is no text could go nowhere without being damaged.
	if !utf8.Valid(out) {
		return null, fail(WrongType, "fromBase64: what it decodes to is not text in UTF-8")
	}
	return stringValue(textOf(out)), nil
}
