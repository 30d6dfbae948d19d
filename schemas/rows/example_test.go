package rows_test

import (
	"fmt"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// A record of a CSV member becomes a message: first the header line says where the columns
// stand, then each record is identified and written.
func Example() {
	names, err := schemas.NewNames("aicc")
	if err != nil {
		fmt.Println(err)
		return
	}
	nine := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	file := schemas.FileReady{
		Tenant: "acme", Kind: schemas.KindCDR, Window: schemas.Window{From: nine, To: nine.Add(time.Hour)},
		ResponseID: "0123456789abcdef0123456789abcdef", FileName: "20261101_0123456789abcdef0123456789abcdef.zip",
		ReceivedAt: nine.Add(2 * time.Hour), Via: schemas.ViaCallback,
	}
	encoder := rows.NewEncoder(names, file, schemas.KindCDR, rows.Options{Zone: time.FixedZone("", 8*60*60)})
	if err := encoder.Header([]string{"Call ID", "caller_no", "call_begin", "device_type", "note"}); err != nil {
		fmt.Println(err)
		return
	}
	record := []string{"1714525260-1001", "5550100", "2026-11-01 17:05:00", "2", "new"}
	id, err := encoder.Identify(record)
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := encoder.Message(record, id, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(message.Subject)
	fmt.Println(message.ID)
	fmt.Println(string(message.Body))
	// Output:
	// aicc.v1.acme.row.cdr.20261101t090000z-20261101t100000z
	// f7c99bf089206968551e56cd7f5dd4da-1
	// {"tenant":"acme","kind":"cdr","window":"20261101t090000z-20261101t100000z","call_id":"1714525260-1001","caller_no":"5550100","call_begin":"2026-11-01T17:05:00+08:00","device_type":2,"names":{"device_type":"agent"},"extra":{"note":"new"},"row":{"id":"f7c99bf089206968551e56cd7f5dd4da-1","ordinal":1,"file":"20261101_0123456789abcdef0123456789abcdef.zip","revision":1}}
}
