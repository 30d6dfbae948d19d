package reload

import (
	"reflect"
	"slices"

	"aiccbridge/config"
)

// always is for keys that can be changed whatever they were.
func always(_, _ *config.Config) bool { return true }

// live are the keys that can be changed while the bridge runs, if so. A key below an entry of
// tenants stands here without the tenant's name.
var live = map[string]func(old, new *config.Config) bool{
	"log.level": always,

	"listen.admin_certificate_file": sameAdminTLS,
	"listen.admin_key_file":         sameAdminTLS,
	"listen.admin_token_file":       always,
	"callbacks.certificate_file":    sameCallbackTLS,

	"listen.gateway_certificate_file": sameGatewayTLS,
	"callbacks.key_file":              sameCallbackTLS,

	"tenants[].gateway.agents":       always,
	"tenants[].gateway.agents_file":  always,
	"tenants[].push.token_files":     always,
	"tenants[].gateway.secrets_file": always,

	"tenants[].files.access_key":      sameAccounts,
	"tenants[].files.secret_key_file": always,
	"tenants[].files.request_spacing": always,
	"tenants[].files.max_outstanding": always,
	"tenants[].files.backfill_share":  always,
	"tenants[].files.overdue":         always,

	"tenants[].files.extracts.cdr.settle":            always,
	"tenants[].files.extracts.cdr.sweep_again":       always,
	"tenants[].files.extracts.recording.settle":      always,
	"tenants[].files.extracts.recording.sweep_again": always,
	"tenants[].files.extracts.operation.settle":      always,
	"tenants[].files.extracts.operation.sweep_again": always,
	"tenants[].files.extracts.skill.settle":          always,
	"tenants[].files.extracts.skill.sweep_again":     always,

	"tenants[].opening_hours":                    always,
	"tenants[].closed":                           always,
	"tenants[].gateway.silence":                  always,
	"tenants[].files.extracts.cdr.silence":       always,
	"tenants[].files.extracts.recording.silence": always,
	"tenants[].files.extracts.operation.silence": always,
	"tenants[].files.extracts.skill.silence":     always,

	"tenants[].privacy.phone_numbers": always,
	"tenants[].privacy.fields":        always,
	"tenants[].privacy.key_file":      always,
}

// sameAdminTLS: a listener speaks TLS, or does not, from its beginning.
func sameAdminTLS(old, new *config.Config) bool {
	return (old.Listen.AdminCertificate == nil) == (new.Listen.AdminCertificate == nil)
}

func sameGatewayTLS(old, new *config.Config) bool {
	return (old.Listen.GatewayCertificate == nil) == (new.Listen.GatewayCertificate == nil)
}

func sameCallbackTLS(old, new *config.Config) bool {
	return (old.Callbacks.Certificate == nil) == (new.Callbacks.Certificate == nil)
}

// sameAccounts: tenants of one access key ask by turns, which is settled at the start.
func sameAccounts(old, new *config.Config) bool {
	together := func(c *config.Config) (of [][]string) {
		at := map[string]int{}
		for _, t := range c.Tenants {
			if t.Files == nil {
				continue
			}
			i, known := at[t.Files.AccessKey]
			if !known {
				i = len(of)
				at[t.Files.AccessKey], of = i, append(of, nil)
			}
			of[i] = append(of[i], t.Name)
		}
		for _, names := range of {
			slices.Sort(names)
		}
		slices.SortFunc(of, slices.Compare)
		return of
	}
	return reflect.DeepEqual(together(old), together(new)) && !moved(old, new)
}

// moved reports an access key that is other tenants' now: callbacks of what was asked for under it
// could not be told apart.
func moved(old, new *config.Config) bool {
	before := map[string]string{}
	for _, t := range old.Tenants {
		if t.Files != nil {
			before[t.Files.AccessKey] += t.Name + " "
		}
	}
	after := map[string]string{}
	for _, t := range new.Tenants {
		if t.Files != nil {
			after[t.Files.AccessKey] += t.Name + " "
		}
	}
	for key, tenants := range after {
		if was, known := before[key]; known && was != tenants {
			return true
		}
	}
	return false
}
