package c2sign_test

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"aiccbridge/internal/c2sign"
)

// A request is signed by one side and verified by the other. Neither keeps state, and
// both are told what time it is.
func Example() {
	key := c2sign.NewKey("developer", "a secret")
	at := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	request := c2sign.Request{
		Method: "POST",
		Path:   "/CCFS/resource/ccfs/queryBillData",
		Query:  url.Values{},
		Header: map[string]string{"host": "ccfs.example.com", "content-type": "application/json", "content-length": "2"},
		Body:   []byte("{}"),
	}

	authorization, err := c2sign.Sign(key, c2sign.Profile{}, request, at)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(authorization[:strings.LastIndex(authorization, "/")])

	verifier := c2sign.Verifier{
		Keys:    func(accessKey string) []c2sign.Key { return []c2sign.Key{key} },
		MaxSkew: c2sign.DefaultMaxSkew,
	}
	match, err := verifier.Verify(request, authorization, at.Add(time.Minute))
	fmt.Println(match.AccessKey, match.Skew, err)

	request.Body = []byte("[]")
	_, err = verifier.Verify(request, authorization, at)
	fmt.Println(err != nil)

	fmt.Println(key) // keys never print
	// Output:
	// auth-v2/developer/2026-11-01T09:00:00Z/content-length;content-type;host
	// developer -1m0s <nil>
	// true
	// ***
}
