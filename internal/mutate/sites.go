package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// Where the checks are, and what is done to them. One copy of the source holds all mutants at once, each behind a switch that the
// environment sets, so that one build serves them all: rebuilding for each would take hours. The copy differs from the original by
// insertions within lines only, so lines keep their numbers, and with no switch set it does the same.
//
// Each check is removed both ways, held true and held false. Turning == into !=, && into || or dropping a ! is not done beside that:
// whoever sees a condition stuck either way, and each operand of it dropped, has seen these.

// An operator is what is done to a piece of source.
type operator uint8

const (
	_        operator = iota
	isTrue            // a condition, or an operand of &&, holds
	isFalse           // a condition, or an operand of ||, does not hold
	inverted          // a constant true is false, or the other way round
	border            // < is <=, a.Before(b) is !b.Before(a), and the like
	skipped           // a call is not made
	noError           // an error that a call answers with is nil
	never             // a case of a switch with a tag matches nothing
)

var operatorNames = [...]string{
	isTrue: "true", isFalse: "false", inverted: "inverted", border: "border", skipped: "skipped", noError: "no error", never: "never",
}

func (o operator) String() string { return operatorNames[o] }

// A site is a piece of source that goes through one switch.
type site struct {
	file, function string // file: with its directory
	line           int
	text           string // source, on one line
	context        string // what tells it from another site with the same text, for a person
	nth            int    // counts from 1 the sites of a function that read the same
	operators      []operator
}

// A mutant is one way to switch one site.
type mutant struct {
	*site
	id       int // of the site
	operator operator
	killedBy string
}

// key names a mutant in a way that outlives changes elsewhere.
func (m *mutant) key() string {
	key := fmt.Sprintf("%s %s [%s] %s", m.file, m.function, m.operator, m.text)
	if m.context != "" {
		key += " ~ " + m.context
	}
	if m.nth > 1 {
		key += fmt.Sprintf(" #%d", m.nth)
	}
	return key
}

// A finder finds the sites of one file and writes the switches into it.
type finder struct {
	fset  *token.FileSet
	file  string
	src   []byte
	first int // the id of this file's first site
	sites []*site
	edits []edit

	refused  map[string]bool // keys of sites that do not compile, without operator
	function string
	results  []string // of the innermost function: their types
	seen     map[ast.Node]bool
	around   map[ast.Node]string // what stands around a statement or a constant
}

// An edit replaces src[at:to].
type edit struct {
	at, to  int
	text    string
	closing bool
}

// switched returns the source of a file with its switches, and the sites in it. first is the id of the first.
func switched(file string, src []byte, first int, refused map[string]bool) ([]byte, []*site, error) {
	f := &finder{fset: token.NewFileSet(), file: file, src: src, first: first, refused: refused, seen: make(map[ast.Node]bool),
		around: make(map[ast.Node]string)}
	parsed, err := parser.ParseFile(f.fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	for _, decl := range parsed.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Body != nil {
				f.function = nameOf(decl)
				f.body(decl.Type, decl.Body)
			}
		case *ast.GenDecl:
			if decl.Tok != token.VAR {
				continue
			}
			for _, spec := range decl.Specs {
				f.function = spec.(*ast.ValueSpec).Names[0].Name
				for _, value := range spec.(*ast.ValueSpec).Values {
					f.walk(value)
				}
			}
		}
	}
	return f.rewritten(), f.sites, nil
}

// nameOf returns the name of a function, with the type of its receiver.
func nameOf(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return decl.Name.Name
	}
	typ := decl.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name + "." + decl.Name.Name
	}
	return decl.Name.Name
}

// body finds the sites in a function's body.
func (f *finder) body(typ *ast.FuncType, body *ast.BlockStmt) {
	outer := f.results
	defer func() { f.results = outer }()
	f.results = nil
	if typ.Results != nil {
		for _, field := range typ.Results.List {
			for range max(1, len(field.Names)) {
				f.results = append(f.results, f.text(field.Type))
			}
		}
	}
	for _, stmt := range body.List {
		if ret, ok := stmt.(*ast.ReturnStmt); ok {
			f.answer(ret)
		}
	}
	f.walk(body)
}

// walk finds the sites below a node, outer ones first.
func (f *finder) walk(root ast.Node) {
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			f.body(n.Type, n.Body)
			return false
		case *ast.IfStmt:
			context := ""
			if n.Init != nil {
				context = f.text(n.Init)
			}
			f.condition(n.Cond, context, isTrue, isFalse)
			f.surround(n.Body.List, "if "+f.text(n.Cond))
		case *ast.ForStmt:
			if n.Cond != nil { // held true it would not end
				f.condition(n.Cond, "", isFalse)
			}
		case *ast.SwitchStmt:
			f.cases(n)
		case *ast.ReturnStmt:
			refusal := f.isRefusal(n)
			for i, result := range n.Results {
				if refusal {
					f.seen[result] = f.seen[result] || isConstant(result)
					continue
				}
				if len(n.Results) == len(f.results) && f.results[i] == "bool" && !isConstant(result) {
					f.condition(result, "return", isTrue, isFalse)
				}
				f.around[result] = f.around[n]
			}
		case *ast.BlockStmt:
			f.statements(n.List)
		case *ast.CaseClause:
			f.statements(n.Body)
			f.surround(n.Body, f.header(n))
		case *ast.CommClause:
			f.statements(n.Body)
		case *ast.CallExpr:
			if callee, ok := n.Fun.(*ast.SelectorExpr); ok && callee.Sel.Name == "when" {
				f.condition(n.Args[0], strings.TrimPrefix(f.text(n.Args[1]), "field, "), isTrue, isFalse)
			}
			f.beforeOrAfter(n)
			for _, arg := range n.Args {
				f.around[arg] = f.text(n)
			}
		case *ast.CompositeLit:
			for _, element := range n.Elts {
				f.around[element] = f.text(n)
			}
		case *ast.BinaryExpr, *ast.UnaryExpr:
			if isBoolean(n.(ast.Expr)) && !f.seen[n] {
				f.condition(n.(ast.Expr), "", isTrue, isFalse)
			}
		case *ast.Ident:
			if isConstant(n) && !f.seen[n] {
				f.wrap(n, "mutantBool(%d, ", f.add(n, f.around[n], inverted))
			}
		case *ast.KeyValueExpr:
			f.walk(n.Value) // and not its key, a field's name
			return false
		}
		return true
	})
}

// isRefusal says whether a return has an error that is not nil: what stands beside it counts for nothing.
func (f *finder) isRefusal(ret *ast.ReturnStmt) bool {
	last := len(ret.Results) - 1
	if last < 0 || last+1 != len(f.results) || f.results[last] != "error" {
		return false
	}
	switch e := ret.Results[last].(type) {
	case *ast.Ident:
		return e.Name != "nil"
	case *ast.CallExpr:
		return slices.Contains(errorMakers, name(e.Fun))
	}
	return true
}

// errorMakers are the functions that never return nil.
var errorMakers = []string{"New", "Errorf", "with", "because", "invalid", "storeError"}

// surround notes what statements stand under.
func (f *finder) surround(list []ast.Stmt, header string) {
	for _, stmt := range list {
		f.around[stmt] = header
	}
}

// header returns the words of a case.
func (f *finder) header(c *ast.CaseClause) string {
	var list []string
	for _, e := range c.List {
		list = append(list, f.text(e))
	}
	return "case " + strings.Join(list, ", ")
}

// cases finds the guards of a switch without a tag, and the values of one with.
func (f *finder) cases(s *ast.SwitchStmt) {
	for _, clause := range s.Body.List {
		for _, guard := range clause.(*ast.CaseClause).List {
			if s.Tag == nil {
				f.condition(guard, "case", isTrue, isFalse)
			} else {
				f.wrap(guard, "mutantCase(%d, ", f.add(guard, "case of "+f.text(s.Tag), never))
			}
		}
	}
}

// condition makes a site of a condition, one of each operand of && and || in it, and one of each < <= > >=.
func (f *finder) condition(e ast.Expr, context string, operators ...operator) {
	if f.seen[e] || isConstant(e) {
		return
	}
	f.seen[e] = true
	if len(operators) > 0 {
		f.wrap(e, "mutantBool(%d, ", f.add(e, context, operators...))
	}
	switch e := e.(type) {
	case *ast.ParenExpr:
		f.condition(e.X, context)
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			f.condition(e.X, context)
		}
	case *ast.BinaryExpr:
		switch e.Op {
		case token.LAND:
			f.operands(e, context, isTrue)
		case token.LOR:
			f.operands(e, context, isFalse)
		case token.LSS, token.LEQ, token.GTR, token.GEQ:
			f.border(e)
		}
	}
}

// operands makes a site of each operand of a chain of the same &&, or ||.
func (f *finder) operands(chain *ast.BinaryExpr, context string, dropped operator) {
	for _, operand := range [...]ast.Expr{chain.X, chain.Y} {
		if inner, ok := operand.(*ast.BinaryExpr); ok && inner.Op == chain.Op {
			f.seen[inner] = true
			f.operands(inner, context, dropped)
			continue
		}
		if context == "" || context == "return" || context == "case" {
			context = "in " + f.text(chain)
		}
		f.condition(operand, context, dropped)
	}
}

// comparisons are the switches for an order, by the operator they replace.
var comparisons = map[token.Token]string{
	token.LSS: "mutantLess", token.LEQ: "mutantLessOrEqual", token.GTR: "mutantGreater", token.GEQ: "mutantGreaterOrEqual",
}

// border makes a site of an order, x < y.
func (f *finder) border(e *ast.BinaryExpr) {
	if f.wrap(e, comparisons[e.Op]+"(%d, ", f.add(e, "", border)) {
		at := f.offset(e.OpPos)
		f.edits = append(f.edits, edit{at: at, to: at + len(e.Op.String()), text: ","})
	}
}

// beforeOrAfter makes a site of an order of times, x.Before(y).
func (f *finder) beforeOrAfter(call *ast.CallExpr) {
	callee, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) != 1 || callee.Sel.Name != "Before" && callee.Sel.Name != "After" {
		return
	}
	id := f.add(call, "", border)
	if id < 0 {
		return
	}
	f.edits = append(f.edits,
		edit{at: f.offset(call.Pos()), to: f.offset(call.Pos()), text: fmt.Sprintf("mutant%s(%d, ", callee.Sel.Name, id)},
		edit{at: f.offset(callee.X.End()), to: f.offset(call.Lparen) + 1, text: ", "})
}

// answer makes a site of the error that a function ends with, where a call makes it. An error that is returned under an if is the
// business of that if.
func (f *finder) answer(ret *ast.ReturnStmt) {
	if len(ret.Results) == 0 || len(ret.Results) != len(f.results) || f.results[len(f.results)-1] != "error" {
		return
	}
	if call, ok := ret.Results[len(ret.Results)-1].(*ast.CallExpr); ok {
		f.wrap(call, "mutantError(%d, ", f.add(call, "return", noError))
	}
}

// statements makes a site of each call that is made for its effect, but for those that keep order among goroutines.
func (f *finder) statements(list []ast.Stmt) {
	for _, stmt := range list {
		expr, ok := stmt.(*ast.ExprStmt)
		if !ok {
			continue
		}
		call, ok := expr.X.(*ast.CallExpr)
		if !ok || slices.Contains(unmutated, name(call.Fun)) {
			continue
		}
		if id := f.add(call, "", skipped); id >= 0 {
			at, to := f.offset(call.Pos()), f.offset(call.End())
			f.edits = append(f.edits,
				edit{at: at, to: at, text: fmt.Sprintf("if !mutantSkip(%d) { ", id)},
				edit{at: to, to: to, text: " }", closing: true})
		}
	}
}

// unmutated are calls without which a test would hang or the compiler would miss an ending.
var unmutated = []string{"Lock", "Unlock", "RLock", "RUnlock", "panic", "close", "cancel", "Done", "Wait"}

func name(fun ast.Expr) string {
	switch fun := fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		return fun.Sel.Name
	}
	return ""
}

// isBoolean says whether an expression is a bool by its operator.
func isBoolean(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.UnaryExpr:
		return e.Op == token.NOT
	case *ast.BinaryExpr:
		switch e.Op {
		case token.LAND, token.LOR, token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
			return true
		}
	}
	return false
}

func isConstant(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && (id.Name == "true" || id.Name == "false")
}

// add registers a site and returns its id, or -1 if it is known not to compile.
func (f *finder) add(n ast.Node, context string, operators ...operator) int {
	s := &site{
		file: f.file, function: f.function, line: f.fset.Position(n.Pos()).Line, text: f.text(n), context: context, nth: 1, operators: operators,
	}
	for _, other := range f.sites {
		if other.function == s.function && other.text == s.text && other.context == s.context && slices.Equal(other.operators, s.operators) {
			s.nth = max(s.nth, other.nth+1)
		}
	}
	f.sites = append(f.sites, s)
	if f.refused[s.name()] {
		s.operators = nil
		return -1
	}
	return f.first + len(f.sites) - 1
}

// name tells a site from all others.
func (s *site) name() string {
	return fmt.Sprintf("%s %s %v %s ~ %s #%d", s.file, s.function, s.operators, s.text, s.context, s.nth)
}

// wrap puts a call around an expression, unless id is that of no site.
func (f *finder) wrap(e ast.Expr, call string, id int) bool {
	f.seen[e] = true
	if id < 0 {
		return false
	}
	at, to := f.offset(e.Pos()), f.offset(e.End())
	f.edits = append(f.edits,
		edit{at: at, to: at, text: fmt.Sprintf(call, id)},
		edit{at: to, to: to, text: ")", closing: true})
	return true
}

func (f *finder) offset(pos token.Pos) int { return f.fset.Position(pos).Offset }

// text returns the source of a node, on one line.
func (f *finder) text(n ast.Node) string {
	return strings.Join(strings.Fields(string(f.src[f.offset(n.Pos()):f.offset(n.End())])), " ")
}

// rewritten returns the source with all edits. At one place calls are closed before others are opened; outer ones are opened first, and
// were found first.
func (f *finder) rewritten() []byte {
	slices.SortStableFunc(f.edits, func(a, b edit) int {
		if a.at == b.at && a.closing != b.closing {
			if a.closing {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.at, b.at)
	})
	var out []byte
	at := 0
	for _, e := range f.edits {
		out = append(out, f.src[at:e.at]...)
		out = append(out, e.text...)
		at = e.to
	}
	return append(out, f.src[at:]...)
}
