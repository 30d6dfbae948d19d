package config

import "fmt"

// accounts holds tenants of one access key to what tells them apart and to what they
// share: they are tenant spaces of one developer account.
func (d *decoder) accounts(c *Config) {
	of := map[string]string{} // the key of the first tenant's files, by access key
	firsts, ids := map[string]*Files{}, map[string]first{}
	for i := range c.Tenants {
		f, key := c.Tenants[i].Files, fmt.Sprintf("tenants[%d].files", i)
		switch {
		case f == nil || f.AccessKey == "" || d.Bad[key+".access_key"]:
		case firsts[f.AccessKey] == nil:
			of[f.AccessKey], firsts[f.AccessKey], ids[f.AccessKey] = key, f, first{}
		default:
			one := of[f.AccessKey]
			d.space(ids[f.AccessKey], one, key, firsts[f.AccessKey])
			d.space(ids[f.AccessKey], key, one, f)
			d.alike(one, key, firsts[f.AccessKey], f)
		}
	}
}

// space looks at the tenant space of the files under key, of one access key with those under other.
func (d *decoder) space(ids first, key, other string, f *Files) {
	at := key + ".account_id"
	if f.AccountID == "" && !d.Bad[at] {
		d.Report(at, "write the id of its tenant space: without it the platform gives the records of all of them",
			"the key is missing, and the access key is that of %s (line %d), too", other, d.Where(other+".access_key").Line)
	} else if ids[f.AccountID] != at {
		d.unique(ids, at, f.AccountID, "give each tenant of one access key a tenant space of its own, or another access key")
	}
}

// alike looks at what must be the same for one access key.
func (d *decoder) alike(one, key string, a, b *Files) {
	for name, equal := range map[string]bool{
		"secret_key_file": a.SecretKey.Reveal() == b.SecretKey.Reveal(),
		"request_spacing": a.RequestSpacing == b.RequestSpacing,
		"max_outstanding": a.MaxOutstanding == b.MaxOutstanding,
	} {
		if at := key + "." + name; !equal && !d.Bad[at] && !d.Bad[one+"."+name] {
			d.Report(at, "write the same for both: they are of one access key", "the value is another than that of %s (line %d)", one, d.Where(one).Line)
		}
	}
}
