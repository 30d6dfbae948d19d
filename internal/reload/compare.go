package reload

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"aiccbridge/config"
)

// Change is one key whose value is another one.
type Change struct {
	Key  string `json:"key"`            // with a tenant's name: tenants[acme].files.overdue
	From string `json:"from,omitempty"` // the values, as the effective configuration shows them;
	To   string `json:"to,omitempty"`   // both empty: what the key's file holds is another thing
	// Detail says what changed of a list: agents by their ids.
	Detail string `json:"detail,omitempty"`
	// Live: it can be changed while the bridge runs.
	Live bool `json:"-"`
}

// derived are the fields that are made of what files hold, and the keys that name those.
var derived = map[string]string{
	"RootCAs": "ca_file", "ProxyRootCAs": "proxy_ca_file", "Agents": "agents",
	"Certificate": "certificate_file", "ClientCertificate": "certificate_file",
	"PushRootCAs": "push_ca_file", "GatewayCertificate": "gateway_certificate_file",
	"AdminCertificate": "admin_certificate_file", "NATSCertificate": "nats_certificate_file",
}

// Compare returns what is another thing in new, in the order of the keys.
func Compare(old, new *config.Config) []Change {
	c := &comparison{old: old, new: new}
	c.section("", "", reflect.ValueOf(old).Elem(), reflect.ValueOf(new).Elem(), shown(old), shown(new))
	return c.changes
}

// shown is the effective configuration.
func shown(c *config.Config) map[string]any {
	text, err := c.MarshalJSON()
	var all map[string]any
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil // then no value is shown
	}
	return all
}

// comparison walks over two configurations.
type comparison struct {
	old, new *config.Config
	changes  []Change
}

// differs notes a change. kind is the key without names.
func (c *comparison) differs(kind string, d Change) {
	if slices.ContainsFunc(c.changes, func(other Change) bool { return other.Key == d.Key }) {
		return // it names another file, which holds another thing
	}
	allowed := live[kind]
	d.Live = allowed != nil && allowed(c.old, c.new)
	d.Detail = strings.TrimSuffix(d.Detail, "; ")
	c.changes = append(c.changes, d)
}

// section compares two structs; from and to are what is shown of them.
func (c *comparison) section(key, kind string, old, new reflect.Value, from, to map[string]any) {
	for i := range old.NumField() {
		field := old.Type().Field(i)
		name, a, b := field.Tag.Get("yaml"), old.Field(i), new.Field(i)
		switch under := join(kind, name); {
		case under == "tenants":
			c.tenants(from[name], to[name])
		case under == "tenants[].gateway.agents": // with those of the file: Agents
		case name == "-":
			c.derived(key, kind, field.Name, a, b)
		case isSection(a.Type()):
			c.section(join(key, name), under, a, b, below(from, name), below(to, name))
		case isSection(deref(a.Type())) && !a.IsNil() && !b.IsNil():
			c.section(join(key, name), under, a.Elem(), b.Elem(), below(from, name), below(to, name))
		case isSection(deref(a.Type())) && a.IsNil() != b.IsNil():
			c.differs(under, Change{Key: join(key, name), Detail: "the section is added or removed"})
		case !same(a, b):
			d := Change{Key: join(key, name), From: text(from[name]), To: text(to[name])}
			if d.From == d.To {
				d.From, d.To = "", ""
			}
			c.differs(under, d)
		}
	}
}

// derived compares what is made of files.
func (c *comparison) derived(key, kind, field string, old, new reflect.Value) {
	name, known := derived[field]
	if !known || same(old, new) {
		return
	}
	d := Change{Key: join(key, name)}
	if a, ok := old.Interface().([]config.Agent); ok {
		if d = agents(d, a, new.Interface().([]config.Agent)); d.Detail == "" {
			return // in another order
		}
	}
	c.differs(join(kind, name), d)
}

// tenants compares them by their names: their order says nothing.
func (c *comparison) tenants(from, to any) {
	name := func(t config.Tenant) string { return t.Name }
	old, new := byID(c.old.Tenants, name), byID(c.new.Tenants, name)
	added, removed, _ := difference(old, new, func(_, _ config.Tenant) bool { return true })
	if len(added)+len(removed) > 0 {
		c.differs("tenants", Change{Key: "tenants", Detail: list("added", added) + list("removed", removed)})
	}
	for i, t := range c.old.Tenants {
		j := slices.IndexFunc(c.new.Tenants, func(other config.Tenant) bool { return other.Name == t.Name })
		if j >= 0 {
			c.section("tenants["+t.Name+"]", "tenants[]", reflect.ValueOf(t), reflect.ValueOf(c.new.Tenants[j]), entry(from, i), entry(to, j))
		}
	}
}

// agents says how the agents of two configurations differ.
func agents(d Change, old, new []config.Agent) Change {
	id := func(a config.Agent) string { return a.ID }
	alike := func(a, b config.Agent) bool { return same(reflect.ValueOf(a), reflect.ValueOf(b)) }
	added, removed, altered := difference(byID(old, id), byID(new, id), alike)
	if len(old) != len(new) {
		d.From, d.To = fmt.Sprint(len(old)), fmt.Sprint(len(new))
	}
	d.Detail = list("added", added) + list("removed", removed) + list("changed", altered)
	return d
}

func byID[T any](all []T, id func(T) string) map[string]T {
	by := make(map[string]T, len(all))
	for _, one := range all {
		by[id(one)] = one
	}
	return by
}

// difference returns the ids, in order, of what is in new only, in old only, and in both but not alike.
func difference[T any](old, new map[string]T, alike func(a, b T) bool) (added, removed, altered []string) {
	for id, b := range new {
		a, known := old[id]
		switch {
		case !known:
			added = append(added, id)
		case !alike(a, b):
			altered = append(altered, id)
		}
	}
	for id := range old {
		if _, stays := new[id]; !stays {
			removed = append(removed, id)
		}
	}
	slices.Sort(added)
	slices.Sort(removed)
	slices.Sort(altered)
	return added, removed, altered
}

// mostNamed is how many of a list are named one by one.
const mostNamed = 10

// list says what became of some, such as "2 added: 291, 292; "; "" of none.
func list(what string, ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	named, more := ids, ""
	if len(ids) > mostNamed {
		named, more = ids[:mostNamed], ", …"
	}
	return fmt.Sprintf("%d %s: %s%s; ", len(ids), what, strings.Join(named, ", "), more)
}

// same compares two values of one type, secrets and what files hold included.
func same(a, b reflect.Value) bool {
	switch x := a.Interface().(type) {
	case config.Secret:
		y := b.Interface().(config.Secret)
		return x.File() == y.File() && x.Reveal() == y.Reveal()
	case *x509.CertPool:
		return bothOrNone(x, b.Interface().(*x509.CertPool), func(y *x509.CertPool) bool { return x.Equal(y) })
	case *tls.Certificate:
		return bothOrNone(x, b.Interface().(*tls.Certificate), func(y *tls.Certificate) bool {
			return slices.EqualFunc(x.Certificate, y.Certificate, bytes.Equal)
		})
	case *url.URL, *time.Location, config.WrittenZone:
		return fmt.Sprint(x) == fmt.Sprint(b.Interface())
	case time.Time:
		return x.Equal(b.Interface().(time.Time))
	}
	switch {
	case a.Kind() == reflect.Slice:
		return a.Len() == b.Len() && each(a.Len(), func(i int) bool { return same(a.Index(i), b.Index(i)) })
	case isSection(a.Type()):
		return each(a.NumField(), func(i int) bool { return same(a.Field(i), b.Field(i)) })
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func bothOrNone[T any](x, y *T, equal func(y *T) bool) bool {
	if x == nil || y == nil {
		return x == y
	}
	return equal(y)
}

func each(n int, holds func(i int) bool) bool {
	for i := range n {
		if !holds(i) {
			return false
		}
	}
	return true
}

// isSection reports a struct of ours whose fields are keys.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() > 0 && t.Field(0).Tag.Get("yaml") != ""
}

func deref(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

func below(section map[string]any, name string) map[string]any {
	inner, _ := section[name].(map[string]any)
	return inner
}

func entry(list any, i int) map[string]any {
	all, _ := list.([]any)
	if i >= len(all) {
		return nil
	}
	one, _ := all[i].(map[string]any)
	return one
}

// text is a shown value on one line.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return cmp.Or(v, `""`)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(out)
}
