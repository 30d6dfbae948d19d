package rows

import (
	"strings"
	"testing"

	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/internal/bench/stage"
)

// TestCopies: each window has its own key, span and response, one before the other.
func TestCopies(t *testing.T) {
	const window, response = "20261101t070000z-20261101t080000z", "0123456789abcdef0123456789abcdef"
	planned := rawnats.Message{Subject: "$KV.AICC_WINDOWS.bench.cdr.20261101t080000z-20261101t090000z", Data: []byte(`{"state":"planned"}`)}
	complete := rawnats.Message{
		Subject: "$KV.AICC_WINDOWS.bench.cdr." + window,
		Data:    []byte(`{"window":"` + window + `","state":"complete","response_id":"` + response + `","file_name":"20261101_` + response + `.zip"}`),
	}
	all, err := copies([]rawnats.Message{planned, complete}, 3)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d, %v", len(all), err)
	}
	last := all[2]
	if last.Subject != "$KV.AICC_WINDOWS.bench.cdr.20261101t040000z-20261101t050000z" ||
		string(last.Data) != `{"window":"20261101t040000z-20261101t050000z","state":"complete","response_id":"00000000000000000000000000000003","file_name":"20261101_00000000000000000000000000000003.zip"}` {
		t.Errorf("%s %s", last.Subject, last.Data)
	}
	if _, err := copies([]rawnats.Message{planned}, 3); err == nil {
		t.Error("a window that is not complete was copied")
	}
}

func TestStartVerdict(t *testing.T) {
	r := StartResult{Start{Rows: 7, Windows: 3}, stage.Measured{"full": {1.5, 3}, "empty": {0.5, 2}}}
	if v := r.Verdicts()[0].String(); v != "P10 met: seconds longer than with none 1.00 (≤ 1.00)" {
		t.Error(v)
	}
	if text := r.Tables()[0].Markdown(); !strings.Contains(text, "with 7 rows and 3 windows") {
		t.Error(text)
	}
}
