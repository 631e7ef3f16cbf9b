package help

import (
	"fmt"
	"io"
	"strings"

	"mom.internal/cmd/internal/version"
)

// writeManual writes the manual page, with the macros of man(7).
func (c *Command) writeManual(w io.Writer) {
	fmt.Fprintf(w, ".TH %s 1 \"\" %s \"Monitoring on Mirroring\"\n", roff(strings.ToUpper(c.Name)), `"`+roff(version.Module())+`"`)
	fmt.Fprint(w, ".nh\n.ad l\n") // so that no flag is hyphenated
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", roff(c.Name), roff(c.Brief))
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B %s\n%s\n", roff(c.Name), roff(c.Args))
	fmt.Fprint(w, ".SH DESCRIPTION\n")
	paragraphs(w, c.Description)
	fmt.Fprint(w, ".PP\n")
	paragraphs(w, "Flags come first. Each may begin with one hyphen or with two, and its value may follow an equals sign.")
	fmt.Fprint(w, ".SH OPTIONS\n")
	for _, g := range c.groups() {
		fmt.Fprintf(w, ".SS %s\n", roff(g.Title))
		for _, name := range strings.Fields(g.Flags) {
			f := c.look(name)
			fmt.Fprintf(w, ".TP\n\\fB\\-%s\\fR", roff(f.name))
			if f.arg != "" {
				fmt.Fprintf(w, " \\fI%s\\fR", roff(f.arg))
			}
			fmt.Fprintf(w, "\n%s\n", roff(f.usage))
		}
	}
	if c.Notes != "" {
		fmt.Fprint(w, ".SH NOTES\n")
		paragraphs(w, c.Notes)
	}
	fmt.Fprint(w, ".SH EXIT STATUS\n")
	paragraphs(w, strings.TrimPrefix(strings.TrimSpace(c.Exit), "Exit codes: "))
	for _, list := range []struct {
		title   string
		entries []Entry
	}{{"ENVIRONMENT", c.Environment}, {"FILES", c.Files}} {
		fmt.Fprintf(w, ".SH %s\n", list.title)
		for _, e := range list.entries {
			fmt.Fprintf(w, ".TP\n.B %s\n", roff(e.Name))
			paragraphs(w, e.Text)
		}
	}
	fmt.Fprint(w, ".SH EXAMPLES\n")
	before := ""
	for line := range strings.Lines(c.Examples) {
		command, what, _ := strings.Cut(strings.TrimSpace(line), "   ")
		if !strings.HasPrefix(command, c.Name+" ") {
			continue // the title
		}
		fmt.Fprint(w, before)
		before = ".PP\n"
		if what = strings.TrimSpace(what); what != "" {
			fmt.Fprintf(w, "%s:\n", roff(strings.ToUpper(what[:1])+what[1:]))
		}
		fmt.Fprintf(w, ".RS 4\n.nf\n%s\n.fi\n.RE\n", roff(command))
	}
}

// paragraphs writes paragraphs, which are separated by empty lines.
func paragraphs(w io.Writer, text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			fmt.Fprint(w, ".PP\n")
		}
		line := ""
		for _, word := range strings.Fields(p) {
			if len(line)+len(word) > 70 {
				fmt.Fprintf(w, "%s\n", roff(line))
				line = ""
			}
			line = strings.TrimSpace(line + " " + word)
		}
		fmt.Fprintf(w, "%s\n", roff(line))
	}
}

// roff escapes a text of one line. A hyphen becomes \-, because a reader of manual pages
// may show a plain one as another character, which no shell accepts as a hyphen.
func roff(text string) string {
	text = roffEscaper.Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, `\(aq`) {
		text = `\&` + text // so that the line is not taken for a macro
	}
	return text
}

var roffEscaper = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, `"`, `\(dq`, "`", "\\`", "^", `\(ha`, "~", `\(ti`)
