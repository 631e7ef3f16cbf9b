package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// generator finds the mutants of one file.
type generator struct {
	*pkg
	source []byte
	file   *ast.File
	name   string // relative to the module
	next   *int   // the number of the next mutant
	all    []*mutant

	function string
	stack    []ast.Node // from the function to the node that is visited
}

// generate returns the mutants of the packages: those that compile.
func generate(pkgs []*pkg) (all []*mutant, err error) {
	next := 1
	for _, p := range pkgs {
		var ofPkg []*mutant
		for _, file := range p.files {
			name := filepath.Base(p.fset.Position(file.Pos()).Filename)
			g := &generator{pkg: p, source: p.source[name], file: file, name: p.dir + "/" + name, next: &next}
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil && !isText(f.Name.Name) {
					g.function = nameOf(f)
					g.walk(f)
				}
			}
			ofPkg = append(ofPkg, g.all...)
		}
		if ofPkg, err = compiling(p, ofPkg); err != nil {
			return nil, err
		}
		all = append(all, ofPkg...)
	}
	seen := make(map[string]int)
	for _, m := range all {
		key := m.key()
		seen[key]++
		m.ordinal = seen[key]
	}
	return all, nil
}

// isText reports whether a method only returns a text.
func isText(name string) bool {
	return name == "String" || name == "Error" || name == "GoString" || name == "Format"
}

func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	recv := f.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	if index, ok := recv.(*ast.IndexExpr); ok {
		recv = index.X
	}
	return recv.(*ast.Ident).Name + "." + f.Name.Name
}

func (g *generator) walk(f *ast.FuncDecl) {
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil {
			g.stack = g.stack[:len(g.stack)-1]
			return true
		}
		if !g.visit(n) {
			return false
		}
		g.stack = append(g.stack, n)
		return true
	})
}

// visit adds the mutants of a node, and reports whether its children are to be
// visited.
func (g *generator) visit(n ast.Node) bool {
	var parent ast.Node
	if len(g.stack) > 0 {
		parent = g.stack[len(g.stack)-1]
	}
	switch n := n.(type) {
	case *ast.ArrayType, *ast.FuncType, *ast.StructType, *ast.InterfaceType, *ast.MapType, *ast.ChanType:
		return false // but a function's literal has a body, which is visited
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.CallExpr:
		if g.isMessage(n) {
			return false
		}
	case ast.Stmt:
		g.statement(n, parent)
	}
	if e, ok := n.(ast.Expr); ok {
		tv := g.info.Types[e]
		if kv, ok := parent.(*ast.KeyValueExpr); ok && kv.Key == e || tv.IsType() {
			return false // a key of an array must be constant
		}
		if tv.Type == nil {
			return true
		}
		g.boolean(e, parent)
		g.arithmetic(e)
		g.integer(e, parent)
		if tv.Value != nil {
			return false
		}
		if sel, ok := e.(*ast.SelectorExpr); ok {
			return g.info.Selections[sel] != nil
		}
	}
	return true
}

// isMessage reports whether a call only makes or logs a text.
func (g *generator) isMessage(call *ast.CallExpr) bool {
	var name *ast.Ident
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f
	case *ast.SelectorExpr:
		name = f.Sel
	default:
		return false
	}
	switch o := g.info.Uses[name].(type) {
	case *types.Builtin:
		return o.Name() == "panic"
	case *types.Func:
		if o.Pkg() == nil {
			return false
		}
		path := o.Pkg().Path()
		return o.Name() == "Errorf" || path == "log/slog" || path == "errors" && o.Name() == "New" || path == "fmt"
	}
	return false
}

// statement adds the mutants of a statement.
func (g *generator) statement(s ast.Stmt, parent ast.Node) {
	if clause, ok := s.(*ast.CaseClause); ok {
		g.clause(clause, clause.Body)
	}
	if clause, ok := s.(*ast.CommClause); ok {
		g.clause(clause, clause.Body)
	}
	if !inList(s, parent) {
		return
	}
	switch s := s.(type) {
	case *ast.AssignStmt:
		if s.Tok == token.DEFINE || isBlank(s.Lhs) {
			return
		}
		if other, ok := map[token.Token]string{token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+="}[s.Tok]; ok && g.isNumber(s.Lhs[0]) {
			if t := g.typeArgument(s.Rhs[0]); t != "" {
				old := s.Tok.String()
				g.add(s, g.text(s), g.swap(s, s.TokPos, old, other), g.wrap(s.Rhs[0], "mutantNegated["+t+"](%d, ", ")"))
			}
		}
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok && g.isMessage(call) {
			return
		}
	case *ast.IncDecStmt:
		t := g.typeText(g.info.Types[s.X].Type)
		if t != "" {
			old, other, op := "++", "--", "+="
			if s.Tok == token.DEC {
				old, other, op = other, old, "-="
			}
			g.add(s, g.text(s), g.swap(s, s.TokPos, old, other),
				edit{start: g.offset(s.TokPos), end: g.offset(s.TokPos) + 2, before: op + " mutantNegated[" + t + "](%d, 1)", replace: true})
		}
	case *ast.BranchStmt:
		if s.Tok != token.BREAK && s.Tok != token.CONTINUE {
			return
		}
	case *ast.ReturnStmt:
		if !g.goesOn(s) {
			return
		}
	case *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
	default:
		return
	}
	g.add(s, g.text(s), "", g.wrap(s, "if !mutantOn(%d) { ", " }"))
}

// clause adds the mutant that removes the body of a case, unless it is a
// statement that is removed anyway.
func (g *generator) clause(clause ast.Stmt, body []ast.Stmt) {
	if len(body) < 2 {
		return
	}
	last := body[len(body)-1]
	if branch, ok := last.(*ast.BranchStmt); ok && branch.Tok == token.FALLTHROUGH {
		return
	}
	if g.goesOn(clause) || !g.hasResults() {
		between := ast.BlockStmt{Lbrace: body[0].Pos(), Rbrace: last.End() - 1}
		g.add(&between, g.text(&between), "", g.wrap(&between, "if !mutantOn(%d) { ", " }"))
	}
}

// inList reports whether a statement is in a list of statements, rather than
// in the head of an if, a for, a switch or a select.
func inList(s ast.Stmt, parent ast.Node) bool {
	switch parent := parent.(type) {
	case *ast.BlockStmt:
		return true
	case *ast.CaseClause:
		return slices.Contains(parent.Body, s)
	case *ast.CommClause:
		return parent.Comm != s
	}
	return false
}

func isBlank(all []ast.Expr) bool {
	for _, e := range all {
		if id, ok := e.(*ast.Ident); !ok || id.Name != "_" {
			return false
		}
	}
	return true
}

// goesOn reports whether more of the function can run after child, which is about
// to be visited. If so, a child that is a return can be removed.
func (g *generator) goesOn(child ast.Node) bool {
	for i := len(g.stack) - 1; i >= 0; i-- {
		switch n := g.stack[i].(type) {
		case *ast.BlockStmt:
			if !isBodyOfClauses(g.stack, i) && n.List[len(n.List)-1] != child {
				return true
			}
		case *ast.CaseClause:
			if n.Body[len(n.Body)-1] != child {
				return true
			}
		case *ast.CommClause:
			if n.Body[len(n.Body)-1] != child {
				return true
			}
		case *ast.IfStmt:
			if n.Else == nil {
				return true
			}
		case *ast.ForStmt, *ast.RangeStmt:
			return true
		case *ast.SwitchStmt:
			if !hasDefault(n.Body) {
				return true
			}
		case *ast.TypeSwitchStmt:
			if !hasDefault(n.Body) {
				return true
			}
		case *ast.FuncLit, *ast.FuncDecl:
			return false
		}
		child = g.stack[i]
	}
	return false
}

// hasResults reports whether the innermost function that is visited returns
// something.
func (g *generator) hasResults() bool {
	for _, n := range slices.Backward(g.stack) {
		switch n := n.(type) {
		case *ast.FuncLit:
			return n.Type.Results != nil
		case *ast.FuncDecl:
			return n.Type.Results != nil
		}
	}
	return false
}

// isBodyOfClauses reports whether the block at i is the body of a switch or a
// select, whose clauses are no list of statements.
func isBodyOfClauses(stack []ast.Node, i int) bool {
	if i == 0 {
		return false
	}
	switch stack[i-1].(type) {
	case *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
		return true
	}
	return false
}

func hasDefault(body *ast.BlockStmt) bool {
	for _, s := range body.List {
		if s.(*ast.CaseClause).List == nil {
			return true
		}
	}
	return false
}

// boolean adds the negation of a decision, and && for || and the reverse.
func (g *generator) boolean(e ast.Expr, parent ast.Node) {
	tv := g.info.Types[e]
	if b, ok := tv.Type.Underlying().(*types.Basic); !ok || b.Info()&types.IsBoolean == 0 {
		return
	}
	if tv.Value != nil {
		if id, ok := e.(*ast.Ident); ok && (id.Name == "true" || id.Name == "false") {
			g.add(e, id.Name, strconv.FormatBool(id.Name == "false"), g.wrap(e, "(mutantOn(%d) != ", ")"))
		}
		return
	}
	binary, _ := e.(*ast.BinaryExpr)
	logical := binary != nil && (binary.Op == token.LAND || binary.Op == token.LOR)
	if logical {
		other := map[token.Token]string{token.LAND: "||", token.LOR: "&&"}[binary.Op]
		g.add(e, g.text(e), g.swap(e, binary.OpPos, binary.Op.String(), other),
			g.wrap(e, "(mutantOn(%d) != (", "))"), g.wrap(binary.X, "(mutantOn(%d) != (", "))"), g.wrap(binary.Y, "(mutantOn(%d) != (", "))"))
	}
	decides := false
	switch p := parent.(type) {
	case *ast.IfStmt:
		decides = p.Cond == e
	case *ast.ForStmt:
		decides = p.Cond == e
	case *ast.CaseClause, *ast.ReturnStmt:
		decides = true
	case *ast.BinaryExpr:
		decides = (p.Op == token.LAND || p.Op == token.LOR) && !logical
	}
	compares := binary != nil && !logical
	if !decides && !compares {
		return
	}
	negated := "!(" + g.text(e) + ")"
	if compares {
		other := map[token.Token]string{token.EQL: "!=", token.NEQ: "==", token.LSS: ">=", token.GEQ: "<", token.GTR: "<=", token.LEQ: ">"}[binary.Op]
		negated = g.swap(e, binary.OpPos, binary.Op.String(), other)
	} else if not, ok := e.(*ast.UnaryExpr); ok && not.Op == token.NOT {
		negated = g.text(not.X)
	} else if !logical {
		negated = "!" + g.text(e)
	}
	g.add(e, g.text(e), negated, g.wrap(e, "(mutantOn(%d) != (", "))"))
}

// operators maps each operator that is mutated to the helper that replaces it, and
// to the operator that the helper applies if the mutant is chosen.
var operators = map[token.Token]struct{ helper, other string }{
	token.LSS: {"mutantLess", "<="}, token.LEQ: {"mutantAtMost", "<"},
	token.GTR: {"mutantMore", ">="}, token.GEQ: {"mutantAtLeast", ">"},
	token.ADD: {"mutantAdd", "-"}, token.SUB: {"mutantSub", "+"},
	token.MUL: {"mutantMul", "/"}, token.QUO: {"mutantQuo", "*"},
	token.REM: {"mutantRem", "/"}, token.AND: {"mutantAnd", "|"}, token.OR: {"mutantOr", "&"},
}

// arithmetic adds another operator for a comparison or a calculation, and min
// for max and the reverse.
func (g *generator) arithmetic(e ast.Expr) {
	if g.info.Types[e].Value != nil {
		return
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		op, ok := operators[e.Op]
		if !ok || !g.isNumber(e.X) && !strings.ContainsAny(e.Op.String(), "<>") {
			return
		}
		g.add(e, g.text(e), g.swap(e, e.OpPos, e.Op.String(), op.other), edit{start: g.offset(e.Pos()), end: g.offset(e.End()), before: op.helper + "(%d, ", after: ")", innermost: true},
			edit{start: g.offset(e.OpPos), end: g.offset(e.OpPos) + len(e.Op.String()), before: ",", replace: true})
	case *ast.CallExpr:
		id, ok := e.Fun.(*ast.Ident)
		if !ok {
			return
		}
		b, ok := g.info.Uses[id].(*types.Builtin)
		other, known := map[string]string{"min": "max", "max": "min"}[id.Name]
		if !ok || !known {
			return
		}
		helper := map[string]string{"min": "mutantMin", "max": "mutantMax"}[b.Name()]
		g.add(e, g.text(e), other+strings.TrimPrefix(g.text(e), id.Name),
			edit{start: g.offset(e.Pos()), end: g.offset(e.Lparen) + 1, before: helper + "(%d, ", replace: true})
	}
}

// integer adds one more than an integer.
func (g *generator) integer(e ast.Expr, parent ast.Node) {
	tv := g.info.Types[e]
	if !g.isInteger(e) || tv.Type.String() == "time.Duration" {
		return
	}
	binary, _ := e.(*ast.BinaryExpr)
	if binary != nil && tv.Value == nil || isParen(e) {
		return // the operator is changed
	}
	switch p := parent.(type) {
	case *ast.CallExpr:
		if e == p.Fun || g.info.Types[p.Fun].IsType() {
			return
		}
		if id, ok := p.Fun.(*ast.Ident); ok && g.info.Types[p.Fun].IsBuiltin() {
			if (id.Name == "min" || id.Name == "max") && tv.Value == nil || id.Name == "make" && len(p.Args) == 3 && p.Args[2] == e {
				return
			}
		}
	case *ast.ReturnStmt:
		if tv.Value != nil && g.fails(p) {
			return // the caller does not read the number
		}
	case *ast.ValueSpec, *ast.KeyValueExpr, *ast.CompositeLit, *ast.SliceExpr, *ast.RangeStmt:
	case *ast.IndexExpr:
		if e == p.X {
			return
		}
	case *ast.AssignStmt:
		if slices.Contains(p.Lhs, e) || p.Tok != token.ASSIGN && p.Tok != token.DEFINE {
			return
		}
	case *ast.BinaryExpr:
		switch p.Op {
		case token.EQL, token.NEQ, token.ADD, token.SUB, token.MUL, token.QUO, token.REM, token.AND, token.OR:
			if tv.Value == nil {
				return
			}
		default:
			return
		}
	default:
		return
	}
	if t := g.typeArgument(e); t != "" {
		changed := g.text(e) + " + 1"
		if tv.Value != nil {
			if v, exact := constant.Int64Val(tv.Value); exact && isLiteral(e) {
				changed = strconv.FormatInt(v+1, 10)
			}
		}
		g.add(e, g.text(e), changed, g.wrap(e, "mutantMoreByOne["+t+"](%d, ", ")"))
	}
}

// fails reports whether a return statement returns an error.
func (g *generator) fails(s *ast.ReturnStmt) bool {
	last := g.info.Types[s.Results[len(s.Results)-1]]
	return !last.IsNil() && types.Implements(last.Type, types.Universe.Lookup("error").Type().Underlying().(*types.Interface))
}

func isParen(e ast.Expr) bool   { _, ok := e.(*ast.ParenExpr); return ok }
func isLiteral(e ast.Expr) bool { l, ok := e.(*ast.BasicLit); return ok && l.Kind == token.INT }

func (g *generator) isInteger(e ast.Expr) bool {
	b, ok := g.info.Types[e].Type.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0
}

func (g *generator) isNumber(e ast.Expr) bool {
	b, ok := g.info.Types[e].Type.Underlying().(*types.Basic)
	return ok && b.Info()&(types.IsInteger|types.IsFloat) != 0
}

// typeArgument returns how the type of an expression is written in the file,
// "" if it cannot be.
func (g *generator) typeArgument(e ast.Expr) string { return g.typeText(g.info.Types[e].Type) }

func (g *generator) typeText(t types.Type) string {
	if b, ok := t.(*types.Basic); ok && b.Info()&types.IsUntyped != 0 {
		t = types.Default(t)
	}
	unknown := false
	text := types.TypeString(t, func(p *types.Package) string {
		if p == g.types {
			return ""
		}
		for _, spec := range g.file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); path == p.Path() {
				if spec.Name != nil {
					return spec.Name.Name
				}
				return p.Name()
			}
		}
		unknown = true
		return ""
	})
	if unknown || strings.Contains(text, "untyped") {
		return ""
	}
	return text
}

func (g *generator) offset(pos token.Pos) int { return g.fset.Position(pos).Offset }

// text returns the source of a node on one line, its middle cut out if it is
// long.
func (g *generator) text(n ast.Node) string {
	return clip(string(g.source[g.offset(n.Pos()):g.offset(n.End())]))
}

// swap returns the source of a node with another operator.
func (g *generator) swap(n ast.Node, at token.Pos, old, changed string) string {
	before := g.source[g.offset(n.Pos()):g.offset(at)]
	after := g.source[g.offset(at)+len(old) : g.offset(n.End())]
	return clip(string(before) + changed + string(after))
}

func clip(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 120 {
		text = string(r[:80]) + " ... " + string(r[len(r)-35:])
	}
	return text
}

// wrap returns the edit that puts texts around a node.
func (g *generator) wrap(n ast.Node, before, after string) edit {
	return edit{start: g.offset(n.Pos()), end: g.offset(n.End()), before: before, after: after}
}

// add adds a mutant of a node; %d in the edits' texts becomes its number.
func (g *generator) add(n ast.Node, old, changed string, edits ...edit) {
	if changed == "" {
		changed = "(removed)"
	}
	for i := range edits {
		if strings.Contains(edits[i].before, "%d") {
			edits[i].before = fmt.Sprintf(edits[i].before, *g.next)
		}
	}
	at := g.fset.Position(n.Pos())
	g.all = append(g.all, &mutant{id: *g.next, file: g.name, line: at.Line, column: at.Column, function: g.function, old: old, new: changed, edits: edits})
	*g.next++
}
