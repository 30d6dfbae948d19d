package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/secret"
	"aiccbridge/config/internal/table"
	"aiccbridge/config/internal/walk"
	"aiccbridge/config/internal/yamlnode"
)

// agents puts together the agents of a gateway, and gives each his password; those whose events
// come in a way in which another system signs them in need none. seen are those of all tenants.
func (d *decoder) agents(key string, g *Gateway, events string, seen first) {
	list, file := key+".agents", key+".agents_file"
	fromFile := d.agentsFile(file, g.AgentsFile)
	if n := len(g.Listed) + len(fromFile); g.Clients {
		if n > 0 {
			d.Report(list, "remove them, or make a tenant of its own for agents that the bridge signs in", "with events: proxy agents sign in through the bridge")
		}
		return
	} else if n == 0 && events == "poll" && !d.Bad[list] && !d.Bad[file] {
		d.Report(list, "list the agents to poll, name a file with them in agents_file, or leave the gateway section out", "there is no agent")
	}
	passwords := d.secretsFile(key+".secrets_file", g.SecretsFile)
	g.Agents = slices.Concat(g.Listed, fromFile)
	ids, without := first{}, 0
	for i := range g.Agents {
		a, at := &g.Agents[i], fmt.Sprintf("%s[%d]", list, i)
		if n := i - len(g.Listed); n >= 0 {
			at = fmt.Sprintf("%s[%d]", file, n)
		}
		d.unique(ids, at+".id", a.ID, "list each agent once")
		if g.URL != nil && a.ID != "" {
			d.unique(seen, at+".id", g.URL.Host+" "+a.ID, "remove the agent from one of the tenants: two polls of one agent take each other's events")
		}
		if cmp.Or(a.Events, events) != "handover" && !d.password(at, a, passwords, g.SecretsFile, without) {
			without++
		}
	}
}

// mostWithout is how many agents without a password are named one by one.
const mostWithout = 10

// password sees to it that an agent has one: that of his own file, or that of the secrets
// file. The agents without are counted; the last that is named speaks for the rest.
func (d *decoder) password(key string, a *Agent, passwords map[string]Secret, file string, without int) bool {
	at := key + ".password_file"
	switch own, ok := passwords[a.ID]; {
	case d.Bad[key] || d.Bad[key+".id"] || d.Bad[at] || a.Password.Reveal() != "" || file != "" && passwords == nil:
		return true // or has been reported
	case ok:
		a.Password = own
		return true
	case without == mostWithout:
		d.Report(at, "give each agent a password", "further agents have no password either")
	case without > mostWithout:
	case file == "":
		d.Report(at, "name the file that holds the agent's password, or name one file with all passwords in the gateway's secrets_file", "the key is missing")
	default:
		d.Report(at, "add the agent there, or name a file with his password here", "%s has no password of agent %s", file, a.ID)
	}
	return false
}

// listFile reads a file whose name says how it is written, without the mark that it begins
// with. none: no file is named, or a fault of it has been reported.
func (d *decoder) listFile(key, path string) (data []byte, csv, none bool) {
	if path == "" || d.Bad[key] {
		return nil, false, true
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		csv = true
	case ".yaml", ".yml":
	default:
		d.Report(key, "name a file that ends in .csv, .yaml or .yml", "the name %s does not say how the file is written", filepath.Base(path))
		return nil, false, true
	}
	data, mode, err := d.Env.Read(path)
	if err != nil {
		d.ReportAt(key, d.Where(key), walk.Missing(path, err))
		return nil, false, true
	}
	if strings.HasSuffix(key, ".secrets_file") {
		d.WarnExposed(key, path, mode)
	}
	return data, csv, false
}

// agentsFile reads more agents.
func (d *decoder) agentsFile(key, path string) (all []Agent) {
	data, csv, none := d.listFile(key, path)
	if none {
		return nil
	}
	d.Within(path, func() {
		if csv {
			all = d.agentsCSV(key, data)
			return
		}
		root, ok := d.Parse(data)
		if root == nil || !ok {
			d.Bad[key] = d.Bad[key] || !ok
			return
		}
		v := reflect.ValueOf(&all).Elem()
		d.List(key, root, v, reflect.StructField{})
	})
	if len(all) == 0 && !d.Bad[key] {
		d.Report(key, "list the agents in it, or remove the key", "%s lists no agent", path)
	}
	return all
}

// agentsCSV reads agents whose keys are columns.
func (d *decoder) agentsCSV(key string, data []byte) []Agent {
	t, ok := d.table(key, data)
	names := walk.Keys(reflect.TypeFor[Agent]())
	columns, known := d.columns(key, t.Header, names)
	if !known {
		d.Bad[key] = true
		return nil
	}
	all := make([]Agent, len(t.Rows))
	for i, row := range t.Rows {
		item, v := fmt.Sprintf("%s[%d]", key, i), reflect.ValueOf(&all[i]).Elem()
		d.Mark(item, at(row.Place))
		for n, name := range names {
			field, value := v.Type().Field(n), v.Field(n)
			column := slices.Index(columns, name)
			if column < 0 {
				d.Absent(walk.Join(item, name), value, field)
				continue
			}
			cell := row.Cell(column)
			d.Mark(walk.Join(item, name), at(cell.Place))
			d.Text(walk.Join(item, name), cell.Text, cell.Text == "", value, field)
		}
	}
	d.Bad[key] = d.Bad[key] || !ok
	return all
}

// columns are the names in a header, in small letters. They have to be known.
func (d *decoder) columns(key string, header table.Row, names []string) (columns []string, known bool) {
	known = true
	for _, c := range header.Cells {
		columns = append(columns, strings.ToLower(c.Text))
	}
	if !slices.ContainsFunc(names, func(name string) bool { return slices.Contains(columns, name) }) && len(columns) > 0 {
		d.ReportAt(key, at(header.Place), scalar.Faultf("begin with a line such as id,phone, of the keys that an agent may have: "+strings.Join(names, ", "), "the first line does not name the columns"))
		return columns, false
	}
	for i, name := range columns {
		place := at(header.Cells[i].Place)
		switch {
		case slices.Contains(columns[:i], name):
			d.ReportAt(key, place, scalar.Faultf("keep one of the two", "a column is there twice"))
		case !slices.Contains(names, name):
			d.ReportAt(walk.Join(key, name), place, yamlnode.Unknown(key, name, names))
		default:
			continue
		}
		known = false
	}
	return columns, known
}

// table reads a CSV file and reports what cannot be read of it.
func (d *decoder) table(key string, data []byte) (t table.Table, ok bool) {
	t, problems := table.Read(data)
	for _, p := range problems {
		d.ReportAt(key, at(p.Place), p.Fault)
	}
	return t, len(problems) == 0
}

func at(p table.Place) walk.Position { return walk.Position{Line: p.Line, Column: p.Column} }

// secretsFile reads passwords by the agents' ids; nil when there is no such file, or none
// that can be read. What stands in it is in no fault: ids and passwords may have changed places.
func (d *decoder) secretsFile(key, path string) map[string]Secret {
	data, csv, none := d.listFile(key, path)
	if none {
		return nil
	}
	all, lines := map[string]Secret{}, map[string]int{}
	add := func(id, password string, at walk.Position) {
		switch before, twice := lines[id]; {
		case id == "":
			d.ReportAt(key, at, scalar.Faultf("write the agent's id before the password", "the line names no agent"))
		case twice:
			d.ReportAt(key, at, scalar.Faultf("keep one of the two", "the agent is there twice, first on line %d", before))
		case strings.TrimSpace(password) == "":
			d.ReportAt(key, at, scalar.Faultf("write the agent's password, or remove the line", "the password is empty"))
		case strings.ContainsAny(password, "\r\n"):
			d.ReportAt(key, at, scalar.Faultf("write it on one line", "the password has several lines"))
		}
		lines[id], all[id] = at.Line, secret.New(path, password)
	}
	d.Within(path, func() {
		if csv {
			d.secretsCSV(key, data, add)
		} else {
			d.secretsYAML(key, data, add)
		}
	})
	if d.Bad[key] {
		return nil
	}
	return all
}

func (d *decoder) secretsCSV(key string, data []byte, add func(id, password string, at walk.Position)) {
	t, _ := d.table(key, data)
	id, password := -1, -1
	for i, c := range t.Header.Cells {
		switch strings.ToLower(c.Text) {
		case "id":
			id = i
		case "password":
			password = i
		}
	}
	if len(t.Header.Cells) != 2 || id < 0 || password < 0 {
		d.ReportAt(key, walk.Position{Line: max(1, t.Header.Line), Column: 1}, scalar.Faultf("begin with the line id,password", "the first line does not name the two columns"))
		return
	}
	for _, row := range t.Rows {
		add(row.Cell(id).Text, row.Cell(password).Text, at(row.Place))
	}
}

func (d *decoder) secretsYAML(key string, data []byte, add func(id, password string, at walk.Position)) {
	root, ok := d.Parse(data)
	if !ok { // the parser may have quoted from it
		last := &d.Findings[len(d.Findings)-1]
		last.Key = key
		last.Problem, _, _ = strings.Cut(last.Problem, ":")
		d.Bad[key] = true
		return
	}
	entries, ok := d.Entries(key, root)
	if !ok {
		return
	}
	for _, e := range entries {
		text, f := yamlnode.Text(e.Value)
		if f != nil {
			d.ReportAt(key, walk.PositionOf(e.Value), f)
			continue
		}
		add(yamlnode.Key(e.Key), text, walk.PositionOf(e.Key))
	}
}
