package monitor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/platformsim/monitor"
	"aiccbridge/internal/platformsim/world"
)

// ask makes a call of a simulated monitor and reads its answer.
func ask(t *testing.T, m *monitor.Monitor, path, body string) (a struct {
	Result, ResultCode      string
	ResultDesc, ResultDatas json.RawMessage
}) {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, bytes.NewBufferString(body)))
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return a
}

func newFloor(t *testing.T, o world.Options) (*world.World, *monitor.Monitor) {
	t.Helper()
	floor, err := world.New(o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := monitor.New(monitor.Options{Floor: floor})
	if err != nil {
		t.Fatal(err)
	}
	return floor, m
}

func signIn(t *testing.T, w *world.World, id string, status int) {
	t.Helper()
	if _, err := w.SignIn(id, world.SignIn{Status: status, Deliver: func(world.Event) {}}); err != nil {
		t.Fatal(err)
	}
}

// TestSummary: the older envelope, and its figures.
func TestSummary(t *testing.T) {
	floor, m := newFloor(t, world.Options{Agents: 4})
	signIn(t, floor, "101", world.Idle)
	signIn(t, floor, "102", world.Busy)
	signIn(t, floor, "103", world.Resting)
	a := ask(t, m, monitor.Base+"querymonitor/systemstate", `{"queryParam":{"ccId":1,"vdn":39}}`)
	if a.Result != "0" || a.ResultCode != "" || string(a.ResultDatas) != `{"Idleagent":1,"busyagent":1,"talkingnum":0,"totalloginagent":3}` {
		t.Errorf("%+v", a)
	}
	if a := ask(t, m, monitor.Base+"querymonitor/systemstate", `{"ccId":1,"vdn":39}`); a.Result == "0" {
		t.Errorf("without queryParam: %+v", a)
	}
	if a := ask(t, m, monitor.Base+"vdn/totalagentstate", `{"ccId":1,"vdn":"38"}`); a.ResultCode != "0100002" || len(a.ResultDesc) == 0 || a.ResultDesc[0] != '"' {
		t.Errorf("another VDN: %+v", a)
	}
}

// TestCalls: the calls of a working hour, found once each, and traced.
func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		floor, m := newFloor(t, world.Options{Agents: 3, CallsWithoutSkills: true, Pace: world.Pace{Idle: 5 * time.Second, Talk: 20 * time.Second, Rest: 10 * time.Second}})
		done := make(chan error, 1)
		go func() { done <- floor.Run(t.Context()) }()
		for _, a := range floor.Agents() {
			signIn(t, floor, a.ID, world.Idle)
		}
		begin := time.Now()
		time.Sleep(time.Hour)
		floor.Quiesce()
		time.Sleep(5 * time.Minute)
		booked := map[string]bool{}
		for _, r := range floor.Rows(world.Call, begin, time.Now(), time.Now()) {
			booked[r.CallID] = true
		}
		window := fmt.Sprintf(`"ccId":1,"vdn":39,"beginDate":%d,"endDate":%d`, begin.UnixMilli(), time.Now().UnixMilli())
		const path = "/rest/cmsapp/v2/openapi/vdn/querycalls"
		if a := ask(t, m, path, "{"+window+"}"); a.ResultCode != "0100002" {
			t.Errorf("without isCallIn: %+v", a)
		}
		if a := ask(t, m, path, fmt.Sprintf(`{"ccId":1,"vdn":39,"beginDate":%d,"endDate":%d,"isCallIn":"true"}`, begin.AddDate(0, 0, -2).UnixMilli(), begin.UnixMilli())); a.ResultCode != "0100002" {
			t.Errorf("the day before yesterday: %+v", a)
		}
		seen := map[string]bool{}
		for _, in := range []string{"true", "false"} {
			for offset, count := 0, 1; offset < count; offset += 50 {
				a := ask(t, m, path, fmt.Sprintf(`{%s,"isCallIn":%q,"limit":50,"offset":%d}`, window, in, offset))
				var page struct {
					Count int
					Data  []struct {
						CallID  string `json:"callId"`
						LogDate int64  `json:"logDate"`
						CallEnd int64  `json:"callEnd"`
					}
				}
				if err := json.Unmarshal(a.ResultDesc, &page); err != nil || len(page.Data) == 0 {
					t.Fatalf("%s: %v", a.ResultDesc, err)
				}
				count = page.Count
				for _, c := range page.Data {
					if seen[c.CallID] || !booked[c.CallID] || c.LogDate < c.CallEnd || c.LogDate > c.CallEnd+30_000 {
						t.Errorf("%+v", c)
					}
					seen[c.CallID] = true
					trace := ask(t, m, monitor.Base+"vdn/querycalltracedetail", fmt.Sprintf(`{"ccId":1,"vdn":39,"callId":%q,"logDate":%d}`, c.CallID, c.LogDate))
					var legs []struct{ CallIDNum int }
					if err := json.Unmarshal(trace.ResultDesc, &legs); err != nil || len(legs) == 0 || legs[len(legs)-1].CallIDNum != -1 {
						t.Errorf("%s: %s, %v", c.CallID, trace.ResultDesc, err)
					}
				}
			}
		}
		if len(seen) != len(booked) || len(seen) < 50 {
			t.Errorf("%d calls of %d", len(seen), len(booked))
		}
		t.Attr("figure", fmt.Sprintf("%d calls, each found once and traced", len(seen)))
	})
}
