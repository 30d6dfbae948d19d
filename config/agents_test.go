package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// files is an environment with these files alone, each as if for its owner only.
func files(all map[string]string) Environment {
	env := testEnv()
	env.Read = func(path string) ([]byte, fs.FileMode, error) {
		text, ok := all[filepath.ToSlash(path)]
		if !ok {
			return nil, 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		return []byte(text), 0o600, nil
	}
	return env
}

// withAgents is a configuration whose gateway has these further keys.
func withAgents(keys string) []byte {
	return []byte("tenants:\n  - name: acme\n    timezone: UTC\n    gateway:\n      url: https://gateway.example.com/agentgateway/resource\n" + keys)
}

// summary is each agent, a line each.
func summary(c *Config) string {
	var out []string
	for _, a := range c.Tenants[0].Gateway.Agents {
		out = append(out, fmt.Sprint(a.ID, " ", a.Phone, " ", a.Password.Reveal(), " ", a.AutoAnswer, " ", a.AutoEnterIdle, " ", a.Status))
	}
	return strings.Join(out, "\n")
}

// TestAgentsFile: agents and passwords may stand in files of their own, in either form.
func TestAgentsFile(t *testing.T) {
	const (
		listed = "      agents: [{ id: \"100\", phone: \"7\", password_file: own, status: busy }]\n"
		more   = "      agents_file: lists/agents.%s\n      secrets_file: secrets.%s\n"
		want   = "100 7 own-password true true busy\n0101 70001 p,1 true true idle\n102 70002 p:2 false true wrapup\n103 70003 beside true false idle"
	)
	all := map[string]string{
		"x/own":          "own-password\n",
		"x/lists/beside": "beside\n",
		"x/lists/agents.csv": "\ufeff# of the night shift\r\nid;phone;auto_answer;status;password_file;Auto_Enter_Idle\r\n0101;70001;;;;\r\n" +
			"\"102\"; 70002 ;false;wrapup;;true\r\n\r\n103;70003;;;beside;false\r\n;;;;;\r\n",
		"x/lists/agents.yaml": "\ufeff- { id: 0101, phone: 70001 }\n- id: \"102\"\n  phone: \"70002\"\n  auto_answer: false\n  status: wrapup\n" +
			"- { id: \"103\", phone: \"70003\", password_file: beside, auto_enter_idle: false }\n",
		"x/secrets.csv": "\ufeffid,password\n0101,\"p,1\"\n# 102 has another one\n102, p:2 \n999,nobody\n103,not this one\n",
		"x/secrets.yml": "0101: \"p,1\"\n\"102\": 'p:2'\n",
	}
	for _, form := range [][2]string{{"csv", "csv"}, {"yaml", "yml"}, {"csv", "yml"}, {"yaml", "csv"}} {
		c, err := Parse("x/bridge.yaml", withAgents(listed+fmt.Sprintf(more, form[0], form[1])), files(all))
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		if diff := cmp.Diff(want, summary(c)); diff != "" || len(c.Warnings) > 0 {
			t.Errorf("%s: %v %s", form, c.Warnings, diff)
		}
		effective := c.String()
		again, err := Parse("effective.yaml", []byte(effective), files(all))
		if err != nil || again.String() != effective || summary(again) != want || strings.Contains(effective, "0101") {
			t.Errorf("%s: %v\n%s", form, err, effective)
		}
		for _, secret := range []string{"p,1", "p:2", "beside\n"} {
			if strings.Contains(fmt.Sprintf("%+v %s", c, c), secret) {
				t.Errorf("%q shows", secret)
			}
		}
	}
}

// TestAgentsFileFaults: each fault of a file is reported with its place in that file, and
// without what may be a password.
func TestAgentsFileFaults(t *testing.T) {
	const (
		good    = "id,phone\n101,7\n"
		secrets = "id,password\n101,hunter2\n"
		bridge  = "b.yaml:6:20: tenants[0].gateway.agents_file: "
		agents  = "a.csv:2:1: tenants[0].gateway.agents_file[0]"
		secret  = "s.csv:2:1: tenants[0].gateway.secrets_file: "
	)
	for name, c := range map[string]struct{ agents, secrets, want string }{
		"unknown column":  {"id,phone,statsu\n101,7,idle\n", secrets, "a.csv:1:10: tenants[0].gateway.agents_file.statsu: the key is not known; did you mean status?"},
		"password":        {"id,phone,password\n101,7,hunter2\n", secrets, "a.csv:1:10: tenants[0].gateway.agents_file.password: secrets do not belong in this file; write the password into a file"},
		"no header":       {"101,7\n102,8\n", secrets, "a.csv:1:1: tenants[0].gateway.agents_file: the first line does not name the columns; begin with a line such as id,phone"},
		"column twice":    {"id,phone,ID\n101,7,\n", secrets, "a.csv:1:10: tenants[0].gateway.agents_file: a column is there twice"},
		"no phone":        {"id\n101\n", secrets, agents + ".phone: the key is missing"},
		"empty phone":     {"id,phone\n101,\n", secrets, agents + ".phone: the key is missing"},
		"bad status":      {"id,phone,status\n101,7,asleep\n", secrets, "a.csv:2:7: tenants[0].gateway.agents_file[0].status: \"asleep\" is not one"},
		"bad switch":      {"id,auto_answer,phone\n101,ja,7\n", secrets, "a.csv:2:5: tenants[0].gateway.agents_file[0].auto_answer: \"ja\" is neither"},
		"bad id":          {"id,phone\n1 01,7\n", secrets, "a.csv:2:1: tenants[0].gateway.agents_file[0].id: the value has a form"},
		"quote":           {"id,phone\n101,\"7\n102,8\n", secrets + "102,b\n", "a.csv:2:5: tenants[0].gateway.agents_file: the quote that opens here"},
		"twice":           {good + "101,8\n", secrets, "a.csv:3:1: tenants[0].gateway.agents_file[1].id: the value is the same as that of tenants[0].gateway.agents_file[0].id (a.csv, line 2)"},
		"empty":           {"", secrets, bridge + "a.csv lists no agent"},
		"header alone":    {"id,phone\n", secrets, bridge + "a.csv lists no agent"},
		"too many cells":  {"id,phone\n101,7,8\n", secrets, "a.csv:2:1: tenants[0].gateway.agents_file: the line has 3 cells"},
		"no password":     {good + "102,8\n", secrets, "a.csv:3:1: tenants[0].gateway.agents_file[1].password_file: s.csv has no password of agent 102; add the agent there"},
		"no password for": {good, "id,password\n101,\n", secret + "the password is empty"},
		"blank password":  {good, "id,password\n101,\"  \"\n", secret + "the password is empty"},
		"secret twice":    {good, secrets + "101,hunter2\n", "s.csv:3:1: tenants[0].gateway.secrets_file: the agent is there twice, first on line 2"},
		"secret's header": {good, "101,hunter2\n", "s.csv:1:1: tenants[0].gateway.secrets_file: the first line does not name the two columns; begin with the line id,password"},
		"secret's column": {good, "id,hunter2\n101,x", "s.csv:1:1: tenants[0].gateway.secrets_file: the first line does not name the two"},
		"secret's quote":  {good, "id,password\n101,hunter2\"x\n", "s.csv:2:12: tenants[0].gateway.secrets_file: a quote stands in the midst"},
		"nobody's secret": {good, "id,password\n,hunter2\n", secret + "the line names no agent"},
		"no secrets":      {good, "", "s.csv:1:1: tenants[0].gateway.secrets_file: the first line does not name the two"},
	} {
		_, err := Parse("b.yaml", withAgents("      agents_file: a.csv\n      secrets_file: s.csv\n"), files(map[string]string{"a.csv": c.agents, "s.csv": c.secrets}))
		var e Errors
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || len(e) != 1 {
			t.Errorf("%s: want one, %s\n%v", name, c.want, err)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: a secret is repeated: %v", name, err)
		}
	}
}

// TestAgentsFileInYAML: the same in the other form, and what is wrong with the files themselves.
func TestAgentsFileInYAML(t *testing.T) {
	const good, secrets = "- { id: \"101\", phone: \"7\" }\n", "101: hunter2\n"
	both := "      agents_file: a.yaml\n      secrets_file: s.yaml\n"
	for name, c := range map[string]struct{ keys, agents, secrets, want string }{
		"keys":           {both, "agents: []\n", secrets, "a.yaml:1:1: tenants[0].gateway.agents_file: a list belongs here, not keys with values"},
		"unknown key":    {both, "- { id: \"101\", phone: \"7\", nmae: x }\n", secrets, "a.yaml:1:28: tenants[0].gateway.agents_file[0].nmae: the key is not known"},
		"a password":     {both, "- { id: \"101\", phone: \"7\", password: hunter2 }\n", secrets, "secrets do not belong in this file"},
		"syntax":         {both, "- { id: \"101\"\n", secrets, "a.yaml:1:3: this is not YAML"},
		"nothing":        {both, "# none\n", secrets, "a.yaml lists no agent"},
		"secrets' list":  {both, good, "- hunter2\n", "s.yaml:1:1: tenants[0].gateway.secrets_file: keys with values belong here, not a list"},
		"secret's list":  {both, good, "101: [hunter2]\n", "s.yaml:1:6: tenants[0].gateway.secrets_file: a single value belongs here"},
		"secret twice":   {both, good, "101: hunter2\n\"101\": hunter2\n", "s.yaml:2:1: tenants[0].gateway.secrets_file: the agent is there twice, first on line 1"},
		"secret's lines": {both, good, "101: |\n  hunter2\n  b\n", "the password has several lines"},
		"no secret":      {both, good, "101:\n", "s.yaml:1:1: tenants[0].gateway.secrets_file: the password is empty"},
		"secrets' form":  {both, good, "101: 'hunter2\n", "s.yaml:1:6: tenants[0].gateway.secrets_file: the quote that opens here"},
		"secrets' tag":   {both, good, "101: !!str hunter2\n", "anchors (&), aliases (*) and tags (!) are not supported"},
		"name":           {"      agents_file: a.txt\n      secrets_file: s.yaml\n", good, secrets, "b.yaml:6:20: tenants[0].gateway.agents_file: the name a.txt does not say"},
		"not there":      {"      agents_file: b.csv\n      secrets_file: s.yaml\n", good, secrets, "b.csv cannot be read: there is no such file"},
		"no secrets":     {"      agents_file: a.yaml\n", good, secrets, "a.yaml:1:3: tenants[0].gateway.agents_file[0].password_file: the key is missing"},
		"a command":      {both + "      password_command: [pass, show]\n", good, secrets, "the bridge runs no commands; have the passwords written into one file"},
		"listed as well": {both + "      agents: [{ id: \"101\", phone: \"8\" }]\n", good, secrets, "a.yaml:1:9: tenants[0].gateway.agents_file[0].id: the value is the same as that of tenants[0].gateway.agents[0].id (line 8)"},
		"nobody at all":  {"      secrets_file: s.yaml\n", good, secrets, "there is no agent; list the agents to poll, name a file with them in agents_file"},
	} {
		_, err := Parse("b.yaml", withAgents(c.keys), files(map[string]string{"a.yaml": c.agents, "s.yaml": c.secrets, "a.txt": good}))
		var e Errors
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || len(e) != 1 {
			t.Errorf("%s: want one, %s\n%v", name, c.want, err)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: a secret is repeated: %v", name, err)
		}
	}
}

// TestManyAgents: thousands are on one page, and what is wrong with all of them is said in
// a few lines.
func TestManyAgents(t *testing.T) {
	const agents = 5000
	list, secrets := "id,phone\n", "id,password\n"
	for i := range agents {
		list += fmt.Sprintf("%d,%d\n", 10000+i, 70000+i)
		secrets += fmt.Sprintf("%d,p%d\n", 10000+i, i)
	}
	config := withAgents("      agents_file: a.csv\n      secrets_file: s.csv\n")
	c, err := Parse("b.yaml", config, files(map[string]string{"a.csv": list, "s.csv": secrets}))
	if err != nil {
		t.Fatal(err)
	}
	if all := c.Tenants[0].Gateway.Agents; len(all) != agents || all[agents-1].Password.Reveal() != "p4999" || len(c.String()) > 8000 {
		t.Errorf("%d agents, %d bytes", len(all), len(c.String()))
	}
	_, err = Parse("b.yaml", config, files(map[string]string{"a.csv": list, "s.csv": "id,password\n1,x\n"}))
	var e Errors
	if !errors.As(err, &e) || len(e) != mostWithout+1 || !strings.Contains(err.Error(), "a.csv:12:1: tenants[0].gateway.agents_file[10].password_file: further agents have no password either") {
		t.Errorf("%v", err)
	}
}

// TestSecretsFileIsLookedAt: as every file that holds a secret.
func TestSecretsFileIsLookedAt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("file modes mean nothing here")
		return
	}
	env := files(map[string]string{"a.csv": "id,phone\n1,2\n", "s.csv": "id,password\n1,x\n"})
	read := env.Read
	env.Read = func(path string) ([]byte, fs.FileMode, error) {
		data, _, err := read(path)
		return data, 0o644, err
	}
	c, err := Parse("b.yaml", withAgents("      agents_file: a.csv\n      secrets_file: s.csv\n"), env)
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].String(), "b.yaml:7:21: tenants[0].gateway.secrets_file: the secret in s.csv may be read") {
		t.Errorf("%v %v", err, c.Warnings)
	}
}
