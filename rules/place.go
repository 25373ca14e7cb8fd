package rules

import (
	"strings"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
)

// beforeComment says whether a comment stands behind a text that was written without quotes.
func (b *builder) beforeComment(text strictyaml.Text) bool {
	if text.Node == nil || text.Node.Style != 0 || text.Pos.Line > len(b.lines) {
		return false
	}
	line := []rune(b.lines[text.Pos.Line-1])
	behind, ok := strings.CutPrefix(string(line[min(text.Pos.Column-1, len(line)):]), text.Value)
	return ok && strings.HasPrefix(strings.TrimLeft(behind, " \t"), "#")
}

// place gives the line and column of a character of a text.
func (b *builder) place(text strictyaml.Text, at int) strictyaml.Pos {
	pos := text.Pos
	if text.Node == nil {
		return pos
	}
	before := []rune(text.Value)
	before = before[:min(at, len(before))]
	switch text.Node.Style {
	case yaml.LiteralStyle, yaml.FoldedStyle:
		line := strings.Count(string(before), "\n")
		start := strings.LastIndex(string(before), "\n") + 1
		pos.Line += 1 + line
		pos.Column = 1 + len([]rune(string(before)[start:]))
		if pos.Line <= len(b.lines) {
			full := b.lines[pos.Line-1]
			pos.Column += len(full) - len(strings.TrimLeft(full, " "))
		}
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		pos.Column += 1 + at
	default:
		if !strings.Contains(text.Value, "\n") {
			pos.Column += at
		}
	}
	return pos
}
