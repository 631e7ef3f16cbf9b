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

// This file looks at a struct of settings: at its numbers and times, each of
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

// Defaults wants for each number and time of a struct of settings, which the
// file at path declares, the default that the field's comment names, for zero
// and below. For the largest value it wants what the comment has as the most,
// or else that value. same has the fields whose comments name another field.
func Defaults[T any](t testing.TB, path string, withDefaults func(T) T, same map[string]string) {
	t.Helper()
	typ := reflect.TypeFor[T]()
	said := comments(t, path, typ.Name())
	for field, as := range same {
		said[field] = said[as]
	}
	for _, sign := range []int64{0, -1, 1} {
		var settings T
		numbers := make(map[string]int64) // the largest of each type
		for _, name := range Numbers(typ) {
			if f := reflect.ValueOf(&settings).Elem().FieldByName(name); f.CanInt() {
				numbers[name] = 1<<(f.Type().Bits()-1) - 1
				f.SetInt(sign * numbers[name])
			}
		}
		filled := reflect.ValueOf(withDefaults(settings))
		for name, largest := range numbers {
			got, want := filled.FieldByName(name).Int(), said[name]
			if want.most == 0 {
				want.most = largest
			}
			switch {
			case want.byDefault == 0:
				t.Errorf("the comment of %s.%s names no default", typ.Name(), name)
			case sign <= 0 && got != want.byDefault:
				t.Errorf("%s.%s is %d by default; its comment says %d", typ.Name(), name, got, want.byDefault)
			case sign > 0 && got != want.most:
				t.Errorf("%s.%s is %d at most; its comment says %d", typ.Name(), name, got, want.most)
			}
		}
	}
}

// comment is what a field's comment says of a number or a time.
type comment struct {
	byDefault int64 // behind the first "; "
	most      int64 // before "at most", or behind "every", for what is never longer apart; 0 for no such word
}

// comments returns what the comments say of the fields of the struct in a file
// of Go, of those that say a default at all.
func comments(t testing.TB, path, name string) map[string]comment {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]comment)
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
func read(text string) (said comment, ok bool) {
	value := func(m []string) int64 {
		if m == nil {
			return 0
		}
		n, _ := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
		return n * units[m[2]]
	}
	m := saidDefault.FindStringSubmatch(text)
	return comment{value(m), value(saidMost.FindStringSubmatch(text))}, m != nil
}
