// Package source compares what this module's sources say with what they do: the
// defaults and bounds in the comments of a configuration, and the tables of
// goroutines.
//
// It supports the tests of this module only. Nothing in it is promised.
package source

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// settings.go looks at a struct of settings: at its numbers and times, each of
// which is held by a test and has its default in its comment.

// Numbers returns the names of a struct's fields that are numbers or times.
func Numbers(settings reflect.Type) (names []string) {
	for i := range settings.NumField() {
		if f := settings.Field(i); f.Type.Kind() >= reflect.Int && f.Type.Kind() <= reflect.Complex128 {
			names = append(names, f.Name)
		}
	}
	return names
}

// Said is what a field's comment says of a number or a time.
type Said struct {
	Default int64 // behind the first "; "
	Most    int64 // before "at most", or behind "every", for what is never longer apart; 0 for no such word
}

// Comments returns what the comments say of the fields of the struct in a file
// of Go, of those that say a default at all.
func Comments(t testing.TB, path, name string) map[string]Said {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]Said)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			if said, ok := read(strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")); ok {
				all[f.Names[0].Name] = said
			}
		}
		return false
	})
	return all
}

const quantity = `([0-9][0-9,]*)( KiB| MiB| ms| s| min)?`

var (
	saidDefault = regexp.MustCompile(`; ` + quantity + `(?:[.,]|$)`)
	saidMost    = regexp.MustCompile(`, (?:every )?` + quantity + ` at (?:most|least)`)
	units       = map[string]int64{
		"": 1, " KiB": 1 << 10, " MiB": 1 << 20, " ms": int64(time.Millisecond), " s": int64(time.Second), " min": int64(time.Minute),
	}
)

// read reads a comment.
func read(comment string) (said Said, ok bool) {
	value := func(m []string) int64 {
		if m == nil {
			return 0
		}
		n, _ := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
		return n * units[m[2]]
	}
	m := saidDefault.FindStringSubmatch(comment)
	return Said{value(m), value(saidMost.FindStringSubmatch(comment))}, m != nil
}
