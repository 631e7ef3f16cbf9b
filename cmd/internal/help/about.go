package help

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"

	"mom.internal/cmd/internal/version"
)

// About has the values of the flags that make a command print something about itself
// and exit.
type About struct {
	version, man bool
	shell        string
}

// Shells has the values of -completion, separated by spaces.
const Shells = "bash zsh fish"

// AddFlags adds the flags.
func (a *About) AddFlags(fs *flag.FlagSet) {
	fs.BoolVar(&a.version, "version", false, "print the version and exit")
	fs.BoolVar(&a.man, "man", false, "print the manual page, as roff, and exit")
	fs.Func("completion", "print the completion for `SHELL`: bash, zsh or fish", a.setShell)
}

func (a *About) setShell(shell string) error {
	if !slices.Contains(strings.Fields(Shells), shell) {
		return errors.New("want bash, zsh or fish")
	}
	a.shell = shell
	return nil
}

// question is the error of a command line that asks for something about the command.
type question string

func (q question) Error() string { return "-" + string(q) }

// Asked returns an error for Answer if one of the flags is given.
func (a *About) Asked() error {
	switch {
	case a.version:
		return question("version")
	case a.man:
		return question("man")
	case a.shell != "":
		return question(a.shell)
	}
	return nil
}

// Answer prints what -h or a flag of About asks for. It returns false if err, the error
// of parsing the command line, is another one or nil.
func (c *Command) Answer(w io.Writer, err error) bool {
	var q question
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.Write(w)
		return true
	case !errors.As(err, &q):
		return false
	}
	switch q {
	case "version":
		version.Write(w, c.Name)
	case "man":
		c.writeManual(w)
	default:
		c.writeCompletion(w, string(q))
	}
	return true
}
