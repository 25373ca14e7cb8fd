package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"edge/internal/jsonscan"
)

// A Difference is one thing in which an output is not what a test expects.
type Difference struct {
	Path      string // at, sink, topic, headers.Name, payload, payload.x, payload.list[0]
	Want, Got string // as JSON; "" where there is nothing
}

// A document is a payload taken apart, with its numbers as they are written.
type document = any

// decodeDocument takes one JSON text apart, and says whether it is one.
func decodeDocument(payload []byte) (document, bool) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var v document
	if d.Decode(&v) != nil {
		return nil, false
	}
	_, err := d.Token()
	return v, err == io.EOF
}

// comparePayload compares a payload with what it is to be, or with a part of that. What is given as text may be
// the payload itself, the text of a JSON string, or JSON.
func comparePayload(want []byte, text, partial bool, got []byte) []Difference {
	if text {
		if partial && bytes.Contains(got, want) || bytes.Equal(want, got) {
			return nil
		}
		if s, ok := decodeDocument(got); ok && s == document(string(want)) {
			return nil
		}
	}
	wanted, isJSON := decodeDocument(want)
	if text && isJSON {
		_, isMap := wanted.(map[string]any)
		_, isList := wanted.([]any)
		isJSON = isMap || isList
	}
	came, ok := decodeDocument(got)
	if !isJSON || !ok {
		return []Difference{{"payload", showPayload(want), showPayload(got)}}
	}
	var list []Difference
	compareDocuments("payload", wanted, came, partial, &list)
	return list
}

// compareDocuments notes where got is not as wanted. Partial lets objects have more fields than are wanted; lists
// must be as long, and each element is compared in part.
func compareDocuments(path string, want, got document, partial bool, list *[]Difference) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for _, name := range sortedKeys(w) {
			if value, ok := g[name]; ok {
				compareDocuments(pathUnder(path, name), w[name], value, partial, list)
			} else {
				*list = append(*list, Difference{pathUnder(path, name), showDocument(w[name]), ""})
			}
		}
		for _, name := range sortedKeys(g) {
			if _, ok := w[name]; !ok && !partial {
				*list = append(*list, Difference{pathUnder(path, name), "", showDocument(g[name])})
			}
		}
		return
	case []any:
		g, ok := got.([]any)
		if !ok {
			break
		}
		for i := range max(len(w), len(g)) {
			at := fmt.Sprintf("%s[%d]", path, i)
			switch {
			case i >= len(g):
				*list = append(*list, Difference{at, showDocument(w[i]), ""})
			case i >= len(w):
				*list = append(*list, Difference{at, "", showDocument(g[i])})
			default:
				compareDocuments(at, w[i], g[i], partial, list)
			}
		}
		return
	}
	if !sameScalar(want, got) {
		*list = append(*list, Difference{path, showDocument(want), showDocument(got)})
	}
}

func pathUnder(path, name string) string {
	if isName(name) {
		return path + "." + name
	}
	return path + "[" + string(jsonscan.AppendString(nil, name)) + "]"
}

// sameScalar compares numbers by value: 1 is 1.0, and integers are compared with all their digits.
func sameScalar(want, got document) bool {
	switch w := want.(type) {
	case json.Number:
		g, ok := got.(json.Number)
		return ok && sameNumber(string(w), string(g))
	case map[string]any, []any:
		return false
	}
	switch got.(type) {
	case map[string]any, []any:
		return false
	}
	return want == got
}

func sameNumber(want, got string) bool {
	if want == got {
		return true
	}
	v, w := parsed([]byte(want)), parsed([]byte(got))
	if v.kind == Float && w.kind == Float && !strings.ContainsAny(want+got, ".eE") {
		return false // integers beyond 64 bits: by their digits
	}
	return compareNumbers(v, w) == 0
}

// showDocument writes a value as JSON.
func showDocument(v document) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// showPayload gives JSON as it is, and all else as a JSON string.
func showPayload(payload []byte) string {
	if _, ok := decodeDocument(payload); ok {
		return string(payload)
	}
	return showText(string(payload))
}

func showText(s string) string { return string(jsonscan.AppendString(nil, s)) }

// sameDocument compares by value.
func sameDocument(want, got document, partial bool) bool {
	var list []Difference
	compareDocuments("", want, got, partial, &list)
	return len(list) == 0
}

// likeWanted gives of got what want has, with got's values.
func likeWanted(want, got document) document {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return got
		}
		part := map[string]any{}
		for name := range w {
			if value, ok := g[name]; ok {
				part[name] = likeWanted(w[name], value)
			}
		}
		return part
	case []any:
		g, ok := got.([]any)
		if !ok {
			return got
		}
		part := slices.Clone(g)
		for i := range part[:min(len(part), len(w))] {
			part[i] = likeWanted(w[i], g[i])
		}
		return part
	}
	return got
}
