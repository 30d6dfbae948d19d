package softphone

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/internal/platformsim/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client asks a world of two agents, 101 who is signed in and 102 who is not.
type client struct {
	t      *testing.T
	w      *world.World
	mux    *http.ServeMux
	events []string
}

func bubble(t *testing.T, play func(*client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, err := world.New(world.Options{Agents: 2, Softphone: true, Recorded: -1, SyncDelay: -1, Pace: world.Pace{Talk: time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
		c := &client{t: t, w: w, mux: http.NewServeMux()}
		for _, call := range Calls(new(Files)) {
			c.mux.HandleFunc(call.Method+" "+call.Path, func(rw http.ResponseWriter, r *http.Request) {
				a := call.Do(w, r.PathValue("agent"), r)
				_, _ = rw.Write(append([]byte(a.Code+" "), cmp.Or(string(a.File), string(a.Result))...))
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		if _, err := w.SignIn("101", world.SignIn{Deliver: func(e world.Event) {
			c.events = append(c.events, e.Type+string(e.Content))
		}}); err != nil {
			t.Fatal(err)
		}
		play(c)
		cancel()
		<-done
	})
}

// ask returns the retcode and the result, in which what differs from run to run is a #.
func (c *client) ask(method, path, body string) string {
	return regexp.MustCompile(`\d{9,}(-\d+)?`).ReplaceAllString(c.rawAsk(method, path, body), "#")
}

// rawAsk returns retcode and result as they are.
func (c *client) rawAsk(method, path, body string) string {
	w := httptest.NewRecorder()
	c.mux.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Body.String()
}

type question struct{ method, path, body, want string }

func (c *client) asks(all []question) {
	c.t.Helper()
	for _, q := range all {
		if got := c.ask(q.method, q.path, q.body); got != q.want {
			c.t.Errorf("%s %s %s:\n%s, want\n%s", q.method, q.path, q.body, got, q.want)
		}
	}
}

func TestQueries(t *testing.T) {
	bubble(t, func(c *client) {
		const info = `{"callfeature":7,"callid":"#","caller":"101","called":"5550100","callskill":"sales","callskillid":12,"calldata":"c0",` +
			`"begintime":#,"userPriority":0,"trunkNo":0,"logontimes":0,"mediaType":5,"mediaAbility":1,"waitTime":0}`
		c.asks([]question{
			{"GET", "/queuedevice/101/agentvdnskill", "", `0 [{"name":"sales","id":12,"mediatype":5,"serviceType":0,"realFlag":0}]`},
			{"GET", "/queuedevice/101/ivrinfo", "", `0 [{"id":2,"name":"flow 2"}]`},
			{"GET", "/queuedevice/101/innoinfo", "", `0 [{"inno":5550199,"name":"hotline"}]`},
			{"GET", "/agentgroup/101/restreason", "", `0 [{"restcause":200,"name":"break"}]`},
			{"GET", "/agentgroup/101/groupbyagent/101", "", `0 [{"id":1,"name":"agents"}]`},
			{"GET", "/agentgroup/101/onlineagentonvdn", "", `0 [{"workno":"101","name":"agent 101","status":4,"groupid":1}]`},
			{"GET", "/agentgroup/101/allagentstatus", "", `0 [{"workno":"101","name":"agent 101","status":4,"groupid":1},{"workno":"102","name":"agent 102","status":2,"groupid":1}]`},
			{"GET", "/calldata/101/callinfo", "", "400-003 "}, {"GET", "/calldata/101/holdlist", "", "400-003 "},
			{"GET", "/calldata/101/appdata", "", "400-003 "}, {"POST", "/calldata/101/appdata", `{"calldata":"x"}`, "400-003 "},
			{"GET", "/calldata/102/callinfo", "", "100-006 "},
			{"PUT", "/voicecall/101/callout", `{"called":"5550100","callappdata":"c0"}`, `0 "#"`},
		})
		time.Sleep(time.Minute)
		c.asks([]question{
			{"GET", "/calldata/101/callinfo?isNoContainLastCall=true", "", "0 " + info}, {"GET", "/calldata/101/holdlist", "", "400-003 "},
			{"POST", "/voicecall/101/hold", "", "0 {}"}, {"GET", "/calldata/101/holdlist", "", "0 [" + info + "]"},
			{"POST", "/calldata/101/appdata", `{"calldata":"x"}`, "0 {}"}, {"GET", "/calldata/101/appdata", "", `0 "x"`},
			{"PUT", "/calldata/101/setcalldataex", `{"calldata":"eSB5","isDataEncoded":true}`, "0 {}"}, {"GET", "/calldata/101/appdata?isEncodeResult=no", "", `0 "y y"`},
			{"GET", "/calldata/101/appdata?isEncodeResult=true", "", `0 "eSB5"`}, {"GET", "/calldata/101/appdata?callId=1-1", "", "400-003 "},
			{"PUT", "/calldata/101/setcalldataex", `{"calldata":"?","isDataEncoded":true}`, "000-002 "},
			{"PUT", "/calldata/101/setcalldataex", `{"callid":"1-1","calldata":"z"}`, "400-003 "},
			{"PUT", "/calldata/101/setcalldataex", `{"calldata":"` + strings.Repeat("z", mostData+1) + `"}`, "000-002 "},
			{"GET", "/calldata/101/holdlist", "", "0 [" + strings.Replace(info, `"calldata":"c0"`, `"calldata":"y y"`, 1) + "]"},
		})
	})
}

// TestBodies: numbers, strings and booleans, names in any case, by body, path and query;
// what makes no sense is refused before anybody looks at the phone.
func TestBodies(t *testing.T) {
	bubble(t, func(c *client) {
		const wrong = "000-002 "
		c.asks([]question{
			{"PUT", "/voicecall/101/callout", `{"called":`, "000-006 "}, {"PUT", "/voicecall/101/callout", `["called"]`, "000-006 "},
			{"PUT", "/voicecall/101/callout", ``, wrong}, {"PUT", "/voicecall/101/callout", `{"called":{}}`, wrong},
			{"PUT", "/voicecall/101/callout", `{"called":"1234567890123456789012345"}`, wrong},
			{"PUT", "/voicecall/101/callout", `{"called":"5550100","mediaability":3}`, wrong},
			{"PUT", "/voicecall/101/callout", `{"called":"5550100","caller":"x"}`, wrong},
			{"PUT", "/voicecall/101/callout", `{"called":"5550100","callappdata":"` + strings.Repeat("x", 16<<10+1) + `"}`, wrong},
			{"PUT", "/voicecall/101/previewCallout", `{"called":"5550100"}`, wrong},
			{"PUT", "/voicecall/101/callinner", `{"called":"1234567"}`, wrong},
			{"POST", "/voicecall/101/transfer", `{"devicetype":4,"address":"1","mode":0}`, wrong},
			{"POST", "/voicecall/101/transfer", `{"devicetype":"x","address":"1"}`, wrong},
			{"POST", "/voicecall/101/transfer", `{"devicetype":1,"address":"1","mode":0}`, "200-007 "},
			{"POST", "/voicecall/101/innerhelp", `{"dstaddress":"102","mode":3}`, wrong},
			{"POST", "/voicecall/101/innerhelp", `{"dstaddress":"102"}`, "200-018 "},
			{"POST", "/voicecall/101/seconddialex", ``, wrong}, {"POST", "/voicecall/101/seconddialex?number=1", ``, "200-001 "},
			{"PUT", "/textchat/101/chatmessage", `{"callId":"1-1"}`, wrong}, {"PUT", "/textchat/101/chatmessage", `{"callId":"1-1","content":1}`, "700-014 "},
			{"POST", "/textchat/101/transfer", `{"callid":"1-1","addesstype":1}`, wrong},
			{"POST", "/textchat/101/sendmessagewithoutcall", `{"skillId":12,"chatId":"7","content":"x"}`, wrong},
			{"POST", "/textchat/101/sendmessagewithoutcall", `{"skillId":12,"chatId":"7","chatReceiver":"8","content":"x"}`, "0 {}"},
			{"PUT", "/voicecall/101/PreviewCallout", `{}`, "404 page not found\n"}, // the gateway reads paths in any case
			{"PUT", "/voicecall/101/previewCallout", `{"Called":5550100,"callControlId":"7","remember":[true]}`, `0 "#"`},
		})
	})
}

// media are the agent's events since the sign-in, without the name of their group.
func (c *client) media() (got []string) {
	time.Sleep(time.Minute)
	synctest.Wait()
	for _, e := range c.events[2:] {
		got = append(got, strings.TrimPrefix(e, "AgentMediaEvent_"))
	}
	return got
}

// TestPlayback: the phone is called, a recording is heard, paused, wound and stopped, each
// with its event.
func TestPlayback(t *testing.T) {
	bubble(t, func(c *client) {
		c.asks([]question{
			{"DELETE", "/recordplay/101/stopplay", "", "500-009 "}, {"POST", "/recordplay/101/pauseplay", "", "500-002 "},
			{"PUT", "/recordplay/101/play", `{"voicepath":"Y:/1.V3"}`, "0 {}"}, {"PUT", "/recordplay/101/play", `{}`, "500-004 "},
			{"PUT", "/voicecall/101/callout", `{"called":"5550100"}`, "200-001 "}, {"POST", "/recordplay/101/resumeplay", "", "500-005 "},
			{"POST", "/recordplay/101/pauseplay", "", "0 {}"}, {"POST", "/recordplay/101/resumeplay", "", "0 {}"},
			{"POST", "/recordplay/101/forefast/5", "", "0 {}"}, {"POST", "/recordplay/101/backfast/5", "", "0 {}"}, {"DELETE", "/recordplay/101/stopplay", "", "0 {}"},
			{"POST", "/recordplay/101/backfast/5", "", "500-001 "},
		})
		if got, want := c.media(), []string{
			"AgentState_Busy", "AgentOther_PhoneAlerting", `AgentOther_PhoneOffhook{"type":"main"}`, "Play_Succ", "Play", "PausePlayDone", "ResumePlayDone",
			"JumpPlayDone", "JumpPlayDone", `AgentOther_PhoneRelease{"phoneState":3}`, "AgentState_Ready", `StopPlayDone{"cause":1}`,
		}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		c.events = c.events[:2]
		c.asks([]question{{"PUT", "/recordplay/101/play", `{"voicepath":"Y:/1.V3"}`, "0 {}"}})
		time.Sleep(12 * time.Hour) // to its end
		if got := c.media(); got[len(got)-1] != `StopPlayDone{"cause":0}` {
			t.Errorf("%q", got)
		}
	})
}

// TestRecording: a talk is recorded from when the client says so to when it says so, or to its
// end, with pauses that nobody hears of; each recording has a row.
func TestRecording(t *testing.T) {
	bubble(t, func(c *client) {
		const wrong, start = "000-002 ", `{"mediaType":"5"}`
		began := time.Now()
		c.asks([]question{
			{"PUT", "/recordplay/101/record", start, "500-007 "},
			{"PUT", "/voicecall/101/callout", `{"called":"5550100"}`, `0 "#"`}, {"PUT", "/recordplay/101/record", start, "500-007 "},
		})
		time.Sleep(time.Minute)
		c.asks([]question{
			{"PUT", "/recordplay/101/record", `{"mediaType":2}`, wrong},
			{"PUT", "/recordplay/101/record", `{"mediaType":5,"fileName":"` + strings.Repeat("x", 101) + `"}`, wrong},
			{"DELETE", "/recordplay/101/stoprecord", "", "500-008 "}, {"POST", "/recordplay/101/pauserecord", "", "500-003 "},
			{"PUT", "/recordplay/101/record", start, "0 {}"}, {"PUT", "/recordplay/101/record", start, "500-007 "},
			{"POST", "/recordplay/101/resumerecord", "", "500-006 "}, {"POST", "/recordplay/101/pauserecord", "", "0 {}"},
			{"PUT", "/recordplay/101/record", start, "500-007 "}, {"POST", "/recordplay/101/resumerecord", "", "0 {}"},
			{"POST", "/voicecall/101/hold", "", "0 {}"}, {"DELETE", "/recordplay/101/stoprecord", "", "0 {}"}, {"POST", "/voicecall/101/gethold", "", "0 {}"},
			{"PUT", "/recordplay/101/record?filename=x", "", "0 {}"}, {"DELETE", "/recordplay/101/stoprecord", "", "0 {}"},
			{"PUT", "/recordplay/101/recordwithoutfilename", "", "0 {}"}, {"POST", "/recordplay/101/pauserecord", "", "0 {}"},
		})
		time.Sleep(time.Minute)
		c.asks([]question{{"DELETE", "/voicecall/101/release", "", "0 {}"}})
		var got []string
		for _, e := range c.media() {
			if !strings.Contains(e, "Agent") {
				got = append(got, strings.SplitN(e, "{", 2)[0])
			}
		}
		if want := []string{"Record", "StopRecordDone", "Record", "StopRecordDone", "Record", "StopRecordDone"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if rows := c.w.Rows(world.Record, began, time.Now(), time.Now()); len(rows) != 3 {
			t.Errorf("%d rows: %+v", len(rows), rows)
		}
	})
}

// TestFiles: what an agent sends in a chat the other one is told of, and gets.
func TestFiles(t *testing.T) {
	bubble(t, func(c *client) {
		var heard []string
		if _, err := c.w.SignIn("102", world.SignIn{Deliver: func(e world.Event) { heard = append(heard, e.Type+string(e.Content)) }}); err != nil {
			t.Fatal(err)
		}
		form := func(path, name, content string) string {
			var body bytes.Buffer
			w := multipart.NewWriter(&body)
			_ = w.WriteField("remark", "none")
			if name != "" {
				part, _ := w.CreateFormFile("file", name)
				_, _ = io.WriteString(part, content)
			}
			_ = w.Close()
			r := httptest.NewRequest(http.MethodPost, path, &body)
			r.Header.Set("Content-Type", w.FormDataContentType())
			answer := httptest.NewRecorder()
			c.mux.ServeHTTP(answer, r)
			return answer.Body.String()
		}
		id := strings.Trim(strings.TrimPrefix(c.rawAsk("PUT", "/textchat/101/internalcall/102", ""), "0 "), `"`)
		if got := form("/textchat/101/mediafile?callId="+id, "a.png", "xyz"); got != "700-014 " {
			t.Errorf("before the chat: %s", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		c.ask("PUT", "/textchat/102/answer/"+id, "")
		time.Sleep(time.Minute)
		got := form("/textchat/101/mediafile?callId="+id+"&isNeedConfirm=false", "../../a b.png", "xyz\x00")
		at := "/chat/" + id + "/2/a b.png"
		if want := `0 {"filePath":"` + at + `"}`; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := heard[len(heard)-1], `AgentChat_DataRecved{"sender":"101","callId":"`+id+`","chatContent":"{\"filePath\":\"`+at+`\"}"}`; got != want {
			t.Errorf("heard is %s, want %s", got, want)
		}
		if got := c.rawAsk("GET", "/textchat/102/mediafile?filePath="+url.QueryEscape(at), ""); got != "0 xyz\x00" {
			t.Errorf("the file is %q", got)
		}
		c.asks([]question{{"GET", "/textchat/102/mediafile?filePath=/chat/none", "", "700-015 "}, {"POST", "/textchat/101/mediafile?callId=1-1", "{}", "000-002 "}})
		if got := form("/textchat/101/mediafile?callId="+id, "", ""); got != "000-002 " {
			t.Errorf("a form without a file: %s", got)
		}
		if got := form("/textchat/101/mediafile?callId="+id, "a", strings.Repeat("x", MaxFile+1)); got != "000-002 " {
			t.Errorf("a file that is too large: %.20s", got)
		}
	})
}

// TestEveryRefusalHasACode, and every interface a name of its own.
func TestEveryRefusalHasACode(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Calls(nil) {
		if seen[c.Name] {
			t.Errorf("two interfaces are called %s", c.Name)
		}
		seen[c.Name] = true
	}
	bubble(t, func(c *client) {
		for _, call := range Calls(nil) {
			if got := c.ask(call.Method, strings.NewReplacer("{agent}", "101", "{callid}", "1-1", "{called}", "101", "{other}", "101", "{number}", "1", "{time}", "1").Replace(call.Path), "{}"); strings.HasPrefix(got, " ") {
				t.Errorf("%s: no code", call.Name)
			}
		}
	})
}
