package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// swaps are the operators that the tester puts in place of others.
var swaps = map[string]map[token.Token]token.Token{
	"ARITHMETIC_BASE": {
		token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
	},
	"CONDITIONALS_BOUNDARY": {token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR},
	"CONDITIONALS_NEGATION": {
		token.EQL: token.NEQ, token.NEQ: token.EQL,
		token.LSS: token.GEQ, token.LEQ: token.GTR, token.GTR: token.LEQ, token.GEQ: token.LSS,
	},
	"INCREMENT_DECREMENT": {token.INC: token.DEC, token.DEC: token.INC},
	"INVERT_NEGATIVES":    {token.SUB: token.ADD},
}

// place is where the tester says that a mutant is.
type place struct {
	file         string
	line, column int
	kind         string
}

// change is one mutant.
type change struct {
	name     string // "file function: before → after"
	folder   string
	file     string // below root
	operator *token.Token
	to       token.Token
	offset   int  // of the operator in the file
	outside  bool // it stands in no block of statements, of which alone go test -cover tells
}

// with calls f while the change is made in the syntax tree.
func (c change) with(f func()) {
	before := *c.operator
	*c.operator = c.to
	f()
	*c.operator = before
}

// code is the source of some packages, without their tests.
type code struct {
	set     *token.FileSet
	files   map[string][]*ast.File // by folder
	changes map[place]change
	named   map[string]int // how often a name was given
}

// load reads all packages of a folder, which is below root.
func load(root, folder string) (*code, error) {
	c := &code{set: token.NewFileSet(), files: map[string][]*ast.File{}, changes: map[place]change{}, named: map[string]int{}}
	err := filepath.WalkDir(filepath.Join(root, folder), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		parsed, err := parser.ParseFile(c.set, file, nil, 0)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		c.add(filepath.ToSlash(name), parsed)
		return nil
	})
	return c, err
}

// add names all changes that can be made to a file.
func (c *code) add(file string, parsed *ast.File) {
	folder := path.Dir(file)
	c.files[folder] = append(c.files[folder], parsed)
	for _, d := range parsed.Decls {
		_, outside := d.(*ast.GenDecl)
		var conditions []ast.Expr // of cases
		ast.Inspect(d, func(n ast.Node) bool {
			if clause, ok := n.(*ast.CaseClause); ok {
				conditions = append(conditions, clause.List...)
			}
			operator, at := operatorOf(n)
			if operator == nil {
				return true
			}
			names := map[token.Token]string{} // two kinds may put the same in place of it
			for kind, swap := range swaps {
				to, ok := swap[*operator]
				if !ok {
					continue
				}
				p := c.set.Position(at)
				made := change{folder: folder, file: file, operator: operator, to: to, offset: p.Offset, outside: outside || within(conditions, at)}
				if names[to] == "" {
					names[to] = c.unique(file + " " + declared(d) + ": " + c.describe(made, n))
				}
				made.name = names[to]
				c.changes[place{file, p.Line, p.Column, kind}] = made
			}
			return true
		})
	}
}

func within(all []ast.Expr, at token.Pos) bool {
	return slices.ContainsFunc(all, func(x ast.Expr) bool { return x.Pos() <= at && at < x.End() })
}

func operatorOf(n ast.Node) (operator *token.Token, at token.Pos) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return &n.Op, n.OpPos
	case *ast.UnaryExpr:
		return &n.Op, n.OpPos
	case *ast.IncDecStmt:
		return &n.Tok, n.TokPos
	}
	return nil, token.NoPos
}

func (c *code) describe(made change, n ast.Node) string {
	before, after := c.text(n), ""
	made.with(func() { after = c.text(n) })
	return before + " → " + after
}

// text is a node in one line.
func (c *code) text(n ast.Node) string {
	var b bytes.Buffer
	_ = printer.Fprint(&b, c.set, n) // it was parsed, and memory takes it
	return strings.Join(strings.Fields(b.String()), " ")
}

// unique tells the same change in the same function apart by its number.
func (c *code) unique(name string) string {
	c.named[name]++
	if n := c.named[name]; n > 1 {
		return fmt.Sprintf("%s #%d", name, n)
	}
	return name
}

// declared is the name of a function or method, or the first name that another
// declaration gives.
func declared(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			return firstName(d.Recv.List[0].Type) + "." + d.Name.Name
		}
		return d.Name.Name
	default:
		return firstName(d)
	}
}

func firstName(n ast.Node) (name string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}
