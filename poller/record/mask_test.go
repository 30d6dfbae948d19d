package record

import (
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		`{"signature":"s3cret","a":1}`:                      `{"signature":"***","a":1}`,
		`{"Signature" : "s3cret`:                            `{"Signature" : "***`,
		`{"content":"{\"signature\":\"s3cret\",\"a\":1}"}`:  `{"content":"{\"signature\":\"***\",\"a\":1}"}`,
		`"{\\\"token\\\":\\\"s3\\\\\\\"cret\\\",\\\"a\\\"}`: `"{\\\"token\\\":\\\"***\\\",\\\"a\\\"}`,
		`{"password":"s3\"cret","a":1}`:                     `{"password":"***","a":1}`,
		`{"password":"s3cret\\","a":1}`:                     `{"password":"***","a":1}`,
		`{\"password\":\"s3\\\"cret\\\\\",\"a\":1}`:         `{\"password\":\"***\",\"a\":1}`,
		`{"password":1234567,"a":1}`:                        `{"password":***,"a":1}`,
		`{"guid":null}`:                                     `{"guid":***}`,
		`{password:s3cret,a:1}`:                             `{password:***,a:1}`,
		`{'accessToken':'s3cret','a':1}`:                    `{'accessToken':'***','a':1}`,
		`{"serviceToken":["s3cret"],"a":1}`:                 `{"serviceToken":***`,
		`service_token=s3cret&a=1`:                          `service_token=***&a=1`,
		`Set-GUID: JSESSIONID=s3cret; Path=/`:               `Set-GUID: ***; Path=/`,
		`{"token":"s3cret","token":"s3cret"}`:               `{"token":"***","token":"***"}`,
		`{"token":`:                                         `{"token":***`,
		`{"tokens":"public","a":"my token is public"}`:      `{"tokens":"public","a":"my token is public"}`,
	} {
		if got := string(mask([]byte(text))); got != want {
			t.Errorf("%s\nbecame %s\nwant   %s", text, got, want)
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add(`{\"a\",`, `\",\"a`)
	f.Add(`{`, `"}`)
	f.Add(`a,`, `&`)
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.ContainsAny(before, ":=") {
			return // the secret's name would be the value of another one
		}
		const secret = "S3CRETVALUE"
		for _, opening := range []string{`"signature":"`, `\"token\": \"`, `password=`} {
			got := string(mask([]byte(before + " " + opening + secret + after)))
			if strings.Contains(got, secret) {
				t.Errorf("%q is left in %q", secret, got)
			}
		}
	})
}
