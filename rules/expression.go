package rules

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/parser/lexer"
)

// Limits of one expression, checked before it is parsed where parsing costs, so that no rule file can
// stop the program.
const (
	maxSource = 4 << 10
	maxNodes  = 1000
	maxNested = 100
)

// A sourceError is what is wrong with the text of an expression.
type sourceError struct {
	message string
	at      int // in characters from the start; -1: the expression as a whole
}

func (e *sourceError) Error() string { return e.message }

func sourceErrorf(at int, format string, args ...any) *sourceError {
	return &sourceError{message: fmt.Sprintf(format, args...), at: at}
}

// A tree is a parsed expression: the syntax is expr-lang's, read by its own parser.
type tree struct {
	root     ast.Node
	integers map[int]int64 // by place: literals that a 32-bit int may not hold
}

// The parser reads its settings and never writes to them, so that all expressions share them.
var grammar, grammarOfWindows = newGrammar(), newGrammar("count")

// newGrammar makes settings under which some built-ins are read as functions.
func newGrammar(functions ...string) *conf.Config {
	config := conf.CreateNew()
	config.MaxNodes = maxNodes
	for _, name := range functions {
		config.Functions[name] = &builtin.Function{Name: name}
	}
	return config
}

// parse reads an expression and holds it to the limits.
func parse(source string) (*tree, *sourceError) {
	if len(source) > maxSource {
		return nil, sourceErrorf(-1, "the expression is %d bytes long, at most %d are allowed", len(source), maxSource)
	}
	if strings.TrimSpace(source) == "" {
		return nil, sourceErrorf(-1, "the expression is empty")
	}
	if _, err := time.Parse(time.DateOnly, strings.TrimSpace(source)); err == nil {
		return nil, sourceErrorf(0, "%s would be a subtraction: a date is text and needs quotes, \"%[1]s\"", strings.TrimSpace(source))
	}
	tokens, err := lexer.Lex(file.NewSource(source))
	if err != nil {
		return nil, parserError(err)
	}
	if err := checkNesting(tokens); err != nil {
		return nil, err
	}
	integers, stripped, bad := largeIntegers(source, tokens)
	if bad != nil {
		return nil, bad
	}
	config := grammar
	if countsMessages(tokens) {
		config = grammarOfWindows
	}
	parsed, err := parser.ParseWithConfig(stripped, config)
	if err != nil {
		return nil, parserError(err)
	}
	if at, ok := deep(parsed.Node, 0); !ok {
		return nil, sourceErrorf(at, "the expression is nested deeper than %d", maxNested)
	}
	return &tree{root: parsed.Node, integers: integers}, nil
}

const endsTooEarly = "the expression ends too early: something must follow"

func parserError(err error) *sourceError {
	var located *file.Error
	if errors.As(err, &located) {
		message := located.Message
		if strings.Contains(message, "exceeds maximum allowed nodes") {
			message = fmt.Sprintf("the expression has more than %d parts", maxNodes)
		}
		switch message {
		case `unexpected token Operator("=")`:
			message = "one = compares nothing: write =="
		case "unexpected token EOF":
			message = endsTooEarly
		}
		return sourceErrorf(located.From, "%s", message)
	}
	return sourceErrorf(-1, "%s", err.Error())
}

// checkNesting keeps parentheses, which make no nodes, from growing the parser's stack.
func checkNesting(tokens []lexer.Token) *sourceError {
	open := 0
	for _, token := range tokens {
		switch {
		case token.Is(lexer.Bracket, "(", "[", "{"):
			if open++; open > maxNested {
				return sourceErrorf(token.From, "the expression is nested deeper than %d", maxNested)
			}
		case token.Is(lexer.Bracket):
			open--
		}
	}
	return nil
}

// smallestDigits are those of the smallest integer, which fits only with its minus.
const smallestDigits = "9223372036854775808"

// largeIntegers finds integer literals beyond 32 bits and puts a float of the same length in their place:
// the parser's integers are Go's int, which on small machines cannot hold them.
func largeIntegers(source string, tokens []lexer.Token) (map[int]int64, string, *sourceError) {
	var found map[int]int64
	runes := []rune(nil)
	for place, token := range tokens {
		if token.Kind != lexer.Number {
			continue
		}
		digits := strings.ReplaceAll(token.Value, "_", "")
		lowered := strings.ToLower(digits)
		prefixed := len(lowered) > 1 && lowered[0] == '0' && strings.IndexByte("xbo", lowered[1]) >= 0
		if !prefixed && strings.ContainsAny(lowered, ".e") {
			continue
		}
		base := 10
		if prefixed {
			base = 0
		} else if len(digits) > 1 && digits[0] == '0' {
			return nil, "", sourceErrorf(token.From, "%s has a leading zero: drop it, or put the whole in quotes if it is text", token.Value)
		}
		number, err := strconv.ParseInt(digits, base, 64)
		if digits == smallestDigits && place > 0 && tokens[place-1].Is(lexer.Operator, "-") {
			number, err = math.MinInt64, nil // its minus is applied in unary
		}
		if err != nil {
			return nil, "", sourceErrorf(token.From, "%s does not fit a 64-bit integer", token.Value)
		}
		if number >= 0 && number <= math.MaxInt32 {
			continue
		}
		if runes == nil {
			runes = []rune(source)
			found = map[int]int64{}
		}
		found[token.From] = number
		for i := token.From; i < token.To && i < len(runes); i++ {
			runes[i] = '0'
		}
		runes[token.From+1] = '.'
	}
	if found == nil {
		return nil, source, nil
	}
	return found, string(runes), nil
}

// countsMessages says whether count() stands in an expression: the parser knows a count of a list only, with a
// condition, and must be told of another.
func countsMessages(tokens []lexer.Token) bool {
	for i := 2; i < len(tokens); i++ {
		if tokens[i-2].Is(lexer.Identifier, "count") && tokens[i-1].Is(lexer.Bracket, "(") && tokens[i].Is(lexer.Bracket, ")") {
			return true
		}
	}
	return false
}

// deep says where an expression is nested too deeply.
func deep(node ast.Node, depth int) (int, bool) {
	if depth > maxNested {
		return node.Location().From, false
	}
	for _, child := range children(node) {
		if at, ok := deep(child, depth+1); !ok {
			return at, false
		}
	}
	return 0, true
}

// children lists the parts of a node from left to right.
func children(node ast.Node) []ast.Node {
	var parts []ast.Node
	switch n := node.(type) {
	case *ast.UnaryNode:
		parts = []ast.Node{n.Node}
	case *ast.BinaryNode:
		parts = []ast.Node{n.Left, n.Right}
	case *ast.ChainNode:
		parts = []ast.Node{n.Node}
	case *ast.MemberNode:
		parts = []ast.Node{n.Node, n.Property}
	case *ast.SliceNode:
		parts = []ast.Node{n.Node, n.From, n.To}
	case *ast.CallNode:
		parts = append([]ast.Node{n.Callee}, n.Arguments...)
	case *ast.BuiltinNode:
		parts = n.Arguments
	case *ast.PredicateNode:
		parts = []ast.Node{n.Node}
	case *ast.VariableDeclaratorNode:
		parts = []ast.Node{n.Value, n.Expr}
	case *ast.SequenceNode:
		parts = n.Nodes
	case *ast.ConditionalNode:
		parts = []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.ArrayNode:
		parts = n.Nodes
	case *ast.MapNode:
		parts = n.Pairs
	case *ast.PairNode:
		parts = []ast.Node{n.Key, n.Value}
	}
	kept := parts[:0:0]
	for _, part := range parts {
		if part != nil {
			kept = append(kept, part)
		}
	}
	return kept
}

// picture shows the line of an expression that has the fault, with a caret under it.
func picture(source string, at int) string {
	if at < 0 {
		return ""
	}
	runes := []rune(source)
	at = min(at, len(runes))
	start, end := at, at
	for start > 0 && runes[start-1] != '\n' {
		start--
	}
	for end < len(runes) && runes[end] != '\n' {
		end++
	}
	line := strings.ReplaceAll(string(runes[start:end]), "\t", " ")
	return "\n | " + line + "\n | " + strings.Repeat(".", at-start) + "^"
}
