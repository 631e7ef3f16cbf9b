package source

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Goroutines compares the table GOROUTINES.md in a package's directory with the
// source beside it: every statement that starts a goroutine has a row, and every
// row its statement. It returns the functions that the goroutines begin with.
func Goroutines(t testing.TB, dir string) (listed []string) {
	t.Helper()
	var starting []string
	for _, row := range goroutineTable(t, dir) {
		starting, listed = append(starting, row.starter), append(listed, row.starter)
		if row.runs != "" {
			listed = append(listed, row.runs)
		}
	}
	found := starters(t, dir)
	slices.Sort(starting)
	slices.Sort(found)
	if !slices.Equal(starting, found) {
		t.Errorf("goroutines are started in\n\t%s\nbut %s/GOROUTINES.md lists\n\t%s", strings.Join(found, "\n\t"), dir, strings.Join(starting, "\n\t"))
	}
	return listed
}

// tableRow is a row of GOROUTINES.md.
type tableRow struct {
	starter string // the function that starts the goroutine
	runs    string // the function that it runs, where it is named
}

// goroutineTable returns the rows of the table in a package's directory.
func goroutineTable(t testing.TB, dir string) (rows []tableRow) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "GOROUTINES.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("^`([^`]+)`")
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		for i, cell := range cells[1:5] {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("%s/GOROUTINES.md: column %d is empty: %s", dir, i+1, line)
			}
		}
		row := tableRow{starter: strings.Trim(cells[1], " `")}
		if m := named.FindStringSubmatch(strings.TrimSpace(cells[2])); m != nil {
			row.runs = m[1]
		}
		rows = append(rows, row)
	}
	return rows
}

// starters returns the functions of the package in a directory that start
// goroutines, each as often as it does.
func starters(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			ast.Inspect(decl, func(n ast.Node) bool {
				if startsGoroutine(n) {
					found = append(found, file.Name.Name+"."+nameOf(decl))
				}
				return true
			})
		}
	}
	return found
}

// startsGoroutine reports whether a node starts one: a go statement, a call of
// WaitGroup.Go (the Go of an rpc.Client has four arguments), of an AfterFunc,
// or of what starts one in the standard library.
func startsGoroutine(n ast.Node) bool {
	if _, ok := n.(*ast.GoStmt); ok {
		return true
	}
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	switch sel.Sel.Name {
	case "Go":
		return len(call.Args) == 1
	case "AfterFunc", "NewClientWithCodec", "NewClient", "ServeConn", "ServeCodec", "Dial", "DialHTTP":
		return true
	}
	return false
}

// nameOf returns a declaration's name as a stack trace has it.
func nameOf(decl ast.Decl) string {
	f, ok := decl.(*ast.FuncDecl)
	switch {
	case !ok:
		return "init"
	case f.Recv == nil:
		return f.Name.Name
	}
	recv := f.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		return fmt.Sprintf("(*%s).%s", star.X.(*ast.Ident).Name, f.Name.Name)
	}
	return fmt.Sprintf("%s.%s", recv.(*ast.Ident).Name, f.Name.Name)
}
