// Package exclude has the patterns of the entries that are not mirrored, in the
// form of a .gitignore file. Only momserver uses it.
//
// A pattern without a slash, such as *.tmp, matches the name of an entry in any
// directory. A pattern with a slash at its beginning or inside, such as /cache or
// a/b, matches the path of an entry from the top of the source. A slash at the end,
// as in cache/, restricts the pattern to directories; a symbolic link is not a
// directory.
//
// * stands for any characters but a slash, ? for one, [a-z] for one of these,
// and [!a-z] or [^a-z] for one that is none of these. Between slashes, **
// stands for any number of directories, as in **/a and a/**/b. a/** matches
// everything below a. A backslash makes the next character an ordinary one.
//
// The last pattern that matches decides. A pattern with ! before it includes
// again what a pattern before it excludes. But everything below an excluded
// directory stays excluded.
//
// In a file, a line is a pattern. Empty lines and lines that begin with # are
// comments, and spaces at the end of a line do not count, unless there is a
// backslash before them.
//
// Two things differ from Git: ? and [a-z] stand for a whole character of UTF-8
// instead of a byte, and a pattern that cannot match anything is an error.
package exclude

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Set is a list of patterns. The zero Set excludes nothing.
type Set struct{ patterns []pattern }

// Add appends a pattern. Unlike in a file, # is an ordinary character, and
// spaces at the end count.
func (s *Set) Add(text string) error {
	p, err := parse(text)
	if err == nil {
		s.patterns = append(s.patterns, p)
	}
	return err
}

// AddFile appends the patterns of a file. If one is wrong, AddFile appends
// none.
func (s *Set) AddFile(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var read Set
	for i, line := range strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		line = trimSpaces(strings.TrimSuffix(line, "\r"))
		if line == "" || line[0] == '#' {
			continue
		}
		if err := read.Add(line); err != nil {
			return fmt.Errorf("%s:%d: %q: %w", name, i+1, line, err)
		}
	}
	s.patterns = append(s.patterns, read.patterns...)
	return nil
}

// trimSpaces removes the spaces at the end that have no backslash before them.
func trimSpaces(line string) string {
	end := -1 // where the spaces begin, if only spaces follow; or else -1
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] != ' ':
			end = -1
		case end < 0:
			end = i
		}
		if line[i] == '\\' {
			i++
		}
	}
	if end < 0 {
		return line
	}
	return line[:end]
}

// Match reports whether the entry is excluded. The path is relative to the top
// of the tree, with slashes. Match looks only at the entry itself, so the
// caller has to walk from the top down and leave out everything below an
// excluded directory.
func (s *Set) Match(path string, dir bool) bool {
	base := path[strings.LastIndexByte(path, '/')+1:]
	for i := len(s.patterns) - 1; i >= 0; i-- {
		if p := &s.patterns[i]; p.match(path, base, dir) {
			return !p.negated
		}
	}
	return false
}

// pattern is a pattern that has been parsed.
type pattern struct {
	negated bool
	dirOnly bool
	anyDir  bool   // the pattern matches the name of an entry; parts has one glob
	parts   []glob // what is between the slashes
}

// parse parses a pattern. The error says what to write instead.
func parse(text string) (pattern, error) {
	var p pattern
	text, p.negated = strings.CutPrefix(text, "!")
	text, p.dirOnly = strings.CutSuffix(text, "/")
	if text == "" {
		return p, errors.New("the pattern is empty; /* matches everything at the top")
	}
	p.anyDir = !strings.Contains(text, "/")
	text = strings.TrimPrefix(text, "/")
	for more := true; more; {
		var g glob
		var err error
		if g, text, more, err = parseGlob(text); err != nil {
			return p, err
		}
		p.parts = append(p.parts, g)
	}
	if p.parts[len(p.parts)-1].dirs { // a/** matches everything below a, but not a
		p.parts = append(p.parts, glob{plain: true, suffix: true})
	}
	return p, nil
}

// match reports whether the pattern matches the entry, whose name is base.
func (p *pattern) match(path, base string, dir bool) bool {
	if p.dirOnly && !dir {
		return false
	}
	if p.anyDir {
		return p.parts[0].match(base)
	}
	return p.matchPath(path)
}

// matchPath matches the parts with the elements of the path. If a part does not
// match, the last ** takes one more element. An earlier ** need not take more,
// because the last one can reach everything that the earlier one could.
func (p *pattern) matchPath(path string) bool {
	part, rest, more := 0, path, true // more: rest has an element, which may be empty
	retry, retryRest := -1, ""
	for {
		switch {
		case part < len(p.parts) && p.parts[part].dirs:
			part++
			retry, retryRest = part, rest
			continue
		case part == len(p.parts) && !more:
			return true
		case !more:
			return false // each part that is left needs an element
		}
		element, after, found := strings.Cut(rest, "/")
		if part < len(p.parts) && p.parts[part].match(element) {
			part, rest, more = part+1, after, found
			continue
		}
		if retry < 0 {
			return false
		}
		_, retryRest, more = strings.Cut(retryRest, "/")
		part, rest = retry, retryRest
	}
}
