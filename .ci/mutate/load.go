package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// subjects are the directories of the packages that are mutated.
var subjects = []string{"wire", "wire/internal/gob", "wire/duplex", "wire/protocol", "momserver/internal/history", "momserver", "momclient", "momclient/jobs"}

// pkg is a package to mutate, with its types.
type pkg struct {
	dir    string // relative to the module
	path   string
	names  []string // of the files
	source map[string][]byte
	fset   *token.FileSet
	files  []*ast.File
	info   *types.Info
	types  *types.Package
	lookup importer.Lookup
}

// load parses and type-checks the packages as they are built here: files for
// other systems are left out.
func load() ([]*pkg, error) {
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles"}
	for _, dir := range subjects {
		args = append(args, "./"+dir)
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	var pkgs []*pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var l struct {
			ImportPath, Dir, Export string
			GoFiles                 []string
		}
		if err := decoder.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		exports[l.ImportPath] = l.Export
		for _, dir := range subjects {
			if l.Dir == filepath.Join(root, dir) {
				pkgs = append(pkgs, &pkg{dir: dir, path: l.ImportPath, names: l.GoFiles, lookup: lookup})
			}
		}
	}
	if len(pkgs) != len(subjects) {
		return nil, errors.New("run this command in the module's root")
	}
	for _, p := range pkgs {
		p.source = make(map[string][]byte)
		for _, name := range p.names {
			if p.source[name], err = os.ReadFile(filepath.Join(p.dir, name)); err != nil {
				return nil, err
			}
		}
		if faults := p.check(p.source); len(faults) > 0 {
			return nil, faults[0]
		}
	}
	return pkgs, nil
}

// check parses and type-checks the package with the given text of its files.
func (p *pkg) check(source map[string][]byte) (faults []types.Error) {
	p.fset, p.files = token.NewFileSet(), nil
	for _, name := range slices.Sorted(maps.Keys(source)) {
		file, err := parser.ParseFile(p.fset, filepath.Join(p.dir, name), source[name], parser.SkipObjectResolution)
		if err != nil {
			panic(fmt.Sprintf("%v\n%s", err, source[name])) // an edit is wrong: a fault of this program
		}
		p.files = append(p.files, file)
	}
	p.info = &types.Info{Types: make(map[ast.Expr]types.TypeAndValue), Uses: make(map[*ast.Ident]types.Object), Selections: make(map[*ast.SelectorExpr]*types.Selection)}
	config := types.Config{
		Importer: importer.ForCompiler(p.fset, "gc", p.lookup),
		Error:    func(err error) { faults = append(faults, err.(types.Error)) },
	}
	p.types, _ = config.Check(p.path, p.fset, p.files, p.info)
	return faults
}
