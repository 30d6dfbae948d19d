// Package yamlnode reads single nodes of a YAML syntax tree: their text, where they are, and what is
// wrong with one that stands where something else belongs.
package yamlnode

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"aiccbridge/config/internal/scalar"
)

// Place is where a node begins, both counted from 1.
type Place struct{ Line, Column int }

// PlaceOf is where a node is; that of a block mapping is its first key.
func PlaceOf(n ast.Node) Place {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key // the token of a block mapping is its first colon
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return Place{t.Position.Line, t.Position.Column}
	}
	return Place{1, 1}
}

// Key is the text of a mapping's key.
func Key(n ast.MapKeyNode) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return n.GetToken().Value
}

// Text is the text of a scalar, as written: 00701 stays 00701.
func Text(node ast.Node) (string, *scalar.Fault) {
	switch n := node.(type) {
	case *ast.NullNode:
		return "", nil
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n"), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, nil
	}
	return "", Wrong(node, "a single value belongs here", "write one value behind the colon")
}

// Wrong says that a node is not what is wanted, and what it is.
func Wrong(n ast.Node, want, remedy string) *scalar.Fault {
	got := "a single value"
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		got = "keys with values"
	case *ast.SequenceNode:
		got = "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return scalar.Faultf("write the value out", "YAML anchors (&), aliases (*) and tags (!) are not supported")
	}
	return scalar.Faultf(remedy, "%s, not %s", want, got)
}

// notHere explains keys that people will look for, by their last two parts: what is wrong,
// and what to do.
var notHere = map[string][2]string{
	"agents.password":  {"secrets do not belong in this file", "write the password into a file of its own and name it with password_file, or all of them into one and name that with secrets_file"},
	"files.secret_key": {"secrets do not belong in this file", "write the secret key into a file of its own and name it with secret_key_file"},
	"nats.password":    {"secrets do not belong in this file", "write the password into a file of its own and name it with password_file"},
	"nats.token":       {"secrets do not belong in this file", "use credentials_file"},
	"gateway.password": {"secrets do not belong in this file", "write the agents' passwords into one file and name it with secrets_file"},
	"callbacks.key":    {"secrets do not belong in this file", "name the file that holds the private key with key_file"},
}

// Unknown says that a section has no such key; names are those that it has.
func Unknown(path, name string, names []string) *scalar.Fault {
	if name == "<<" {
		return scalar.Faultf("write the keys out", "merge keys are not supported")
	}
	section, _, _ := strings.Cut(path[strings.LastIndex(path, ".")+1:], "[")
	section = strings.TrimSuffix(section, "_file") // its lists are those of the file
	if name == "password_command" {
		return scalar.Faultf("have the passwords written into one file, which may be a named pipe or what a service manager hands over, and name it with secrets_file", "the bridge runs no commands")
	}
	if f, ok := notHere[section+"."+name]; ok {
		return scalar.Faultf(f[1], "%s", f[0])
	}
	return scalar.Faultf(scalar.DidYouMean(name, names), "the key is not known")
}
