package callbacks

import (
	"strings"
	"testing"
)

const (
	id   = "9239cb50a8384bb0ab503441bf089446"
	file = "20180702_" + id + ".zip"
)

func TestDecodeEverySpelling(t *testing.T) {
	tests := map[string]string{
		"bill sample":        `{"request":{"version":"2.0"},"msgBody":{"responseId":"` + id + `","billFileName":"` + file + `","accountId":""}}`,
		"operation sample":   `{"request":{"version":"2.0"},"msgBody":{"responseId":"` + id + `","agentOprInfoFileName":"` + file + `"}}`,
		"prose of bills":     `{"msgBody":{"responseId":"` + id + `","billName":"` + file + `"}}`,
		"parameter table":    `{"msgBody":{"responseId":"` + id + `","fileName":"` + file + `"}}`,
		"skill prose":        `{"msgBody":{"responseId":"` + id + `","agentOprSkillFileName":"` + file + `"}}`,
		"skill download":     `{"msgBody":{"responseId":"` + id + `","agentSkillInfoFileName":"` + file + `"}}`,
		"unknown field":      `{"msgBody":{"responseId":"` + id + `","whatever":"` + file + `"}}`,
		"top level":          `{"responseId":"` + id + `","fileName":"` + file + `"}`,
		"dashed upper case":  `{"msgBody":{"responseId":"9239CB50-A838-4BB0-AB50-3441BF089446","billFileName":"` + file + `"}}`,
		"no response id":     `{"msgBody":{"billFileName":"` + file + `"}}`,
		"directory part":     `{"msgBody":{"responseId":"` + id + `","billFileName":"some/where/` + file + `"}}`,
		"null msgBody":       `{"msgBody":null,"responseId":"` + id + `","fileName":"` + file + `"}`,
		"empty first choice": `{"msgBody":{"responseId":"` + id + `","billFileName":"","fileName":"` + file + `"}}`,
	}
	for name, body := range tests {
		n, err := decode([]byte(body), "application/json;charset=UTF-8")
		if err != nil || n.ResponseID != id || n.FileName != file || n.AccountID != "" {
			t.Errorf("%s: got %+v, %v", name, n, err)
		}
	}
	n, err := decode([]byte(`{"msgBody":{"billFileName":"`+file+`","accountId":202405019999}}`), "")
	if err != nil || n.AccountID != "202405019999" {
		t.Errorf("account id as a number: got %+v, %v", n, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := map[string]string{
		"empty":            ``,
		"no object":        `[]`,
		"truncated":        `{"msgBody":{"billFileName":"` + file + `"`,
		"surplus brace":    `{"fileName":"` + file + `"}}`,
		"another id":       `{"responseId":"0239cb50a8384bb0ab503441bf089446","fileName":"` + file + `"}`,
		"two documents":    `{"billFileName":"` + file + `"}{}`,
		"no file":          `{"msgBody":{"responseId":"` + id + `"}}`,
		"climbs":           `{"msgBody":{"billFileName":"../` + file + `"}}`,
		"backslash":        `{"msgBody":{"billFileName":"a\\` + file + `"}}`,
		"no such date":     `{"msgBody":{"billFileName":"20189902_` + id + `.zip"}}`,
		"not a ZIP name":   `{"msgBody":{"billFileName":"x.txt"}}`,
		"name twice":       `{"msgBody":{"billFileName":"` + file + `","billFileName":"` + file + `"}}`,
		"short id":         `{"msgBody":{"responseId":"abc","billFileName":"` + file + `"}}`,
		"too deep":         `{"x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `,"fileName":"` + file + `"}`,
		"msgBody a string": `{"msgBody":"` + file + `"}`,
	}
	for name, body := range tests {
		if n, err := decode([]byte(body), "application/json;charset=UTF-8"); err == nil {
			t.Errorf("%s: accepted as %+v", name, n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"msgBody":{"responseId":"`+id+`","billFileName":"`+file+`"}}`), "application/json;charset=UTF-8")
	f.Add([]byte(`{"fileName":"`+file+`"}`), "text/plain; charset=GBK")
	for _, odd := range oddCallbacks {
		f.Add([]byte(odd.body), "application/json")
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		n, err := decode(body, contentType)
		if err == nil && (strings.ContainsAny(n.FileName, `/\`) || len(n.ResponseID) != 32) {
			t.Errorf("accepted %+v", n)
		}
	})
}
