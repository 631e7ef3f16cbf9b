package main

import (
	"fmt"
	"os"
	"strings"
)

// listing is the list of mutants that no test can find: the key of a mutant on
// a line, and below it the reason, indented. A line that begins with # is a
// comment.
type listing struct {
	keys    []string
	reasons map[string]string
}

func readListed(name string) (*listing, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	l := &listing{reasons: make(map[string]string)}
	key := ""
	for number, line := range strings.Split(string(text), "\n") {
		words := strings.TrimSpace(line)
		switch {
		case words == "" || line[0] == '#':
		case line[0] != ' ' && line[0] != '\t':
			key = words
			if _, twice := l.reasons[key]; twice {
				return nil, fmt.Errorf("%s:%d: listed twice", name, number+1)
			}
			l.keys, l.reasons[key] = append(l.keys, key), ""
		case key == "":
			return nil, fmt.Errorf("%s:%d: a reason without a mutant", name, number+1)
		default:
			l.reasons[key] = strings.TrimSpace(l.reasons[key] + " " + words)
		}
	}
	for _, key := range l.keys {
		if l.reasons[key] == "" {
			return nil, fmt.Errorf("%s: no reason for %s", name, key)
		}
	}
	return l, nil
}

// apply gives the listed mutants their reasons, and returns a line for each
// entry of the list that names no mutant.
func (l *listing) apply(all []*mutant) (unused []string) {
	used := make(map[string]bool)
	for _, m := range all {
		if reason, ok := l.reasons[m.key()]; ok {
			m.reason = reason
			used[m.key()] = true
		}
	}
	for _, key := range l.keys {
		if !used[key] {
			unused = append(unused, "equivalent.txt lists a mutant that does not exist: "+key)
		}
	}
	return unused
}
