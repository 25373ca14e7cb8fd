package rules

import "fmt"

// A function of the expression language. Arguments that are null never reach call unless nulls is set:
// what null means depends on where the expression stands.
type function struct {
	name     string
	min, max int  // how many arguments; max -1: any number
	nulls    bool // takes null as an argument
	call     func(c *scope, args []Value) (Value, error)
}

// arguments says what is wrong with a number of arguments, "" if nothing is.
func (f *function) arguments(n int) string {
	switch {
	case n >= f.min && (f.max < 0 || n <= f.max):
		return ""
	case f.max < 0:
		return fmt.Sprintf("%s takes at least %s, not %d", f.name, plural(f.min, "argument"), n)
	case f.min == f.max:
		return fmt.Sprintf("%s takes %s, not %d", f.name, plural(f.min, "argument"), n)
	}
	return fmt.Sprintf("%s takes %d to %d arguments, not %d", f.name, f.min, f.max, n)
}

func plural(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun + "s"
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// functionNamed finds a function of the standard library.
func functionNamed(name string) *function {
	for _, library := range [...]map[string]*function{textFunctions, numberFunctions, listFunctions, timeFunctions, coordinateFunctions} {
		if f := library[name]; f != nil {
			return f
		}
	}
	return nil
}
