package rows

import (
	"strings"
	"testing"

	"aiccbridge/schemas"
)

// benchRecord is a call detail record of the newest edition, with nine columns beyond those
// documented, as a header line of the documented order has them.
func benchRecord(b *testing.B) (*Encoder, []string) {
	e := testEncoder(b, schemas.KindCDR, nil)
	more := "queue_name,ivr_path,satisfaction,sip_code,trunk_no,region,campaign,ticket_no,note"
	if err := e.Header(append(columnNames(schemas.KindCDR), strings.Split(more, ",")...)); err != nil {
		b.Fatal(err)
	}
	const row = "9000003,202405019999,1,101,1767258000-17,07555550017,07550134623,2026-01-01 09:00:00,2026-01-01 09:00:25," +
		"2026-01-01 09:00:26,2026-01-01 09:00:29,2026-01-01 09:00:30,2026-01-01 09:01:47,2,30017,1,2,527,20,39,1,45,43,3,0,17,40017,5,," +
		"service-5,main/sales/5/5851f42d4c957f2d,3,200,T00221,华南,spring-campaign-2026,TK-ab5f3e1d2c4b6a79,called back by agent 17 when the line was free"
	return e, strings.Split(row, ",")
}

func BenchmarkIdentify(b *testing.B) {
	e, record := benchRecord(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Identify(record); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMessage(b *testing.B) {
	e, record := benchRecord(b)
	id, err := e.Identify(record)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Message(record, id, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNamesColumns is what each record costs before it is known to be one.
func BenchmarkNamesColumns(b *testing.B) {
	_, record := benchRecord(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NamesColumns(schemas.KindCDR, record); err != nil {
			b.Fatal(err)
		}
	}
}
