package filestore

// The names of the faults, as in their JSON and in the truth log.
const (
	lost         = "lost"
	unauthorized = "unauthorized"
	locked       = "locked"
	firewall     = "firewall"

	beforeAnswer = "beforeAnswer"
	veryLate     = "veryLate"
	never        = "never"
	twice        = "twice"
	atOnce       = "atOnce"

	wrongSignature        = "wrongSignature"
	oldTimestamp          = "oldTimestamp"
	hostSignedWithPort    = "hostSignedWithPort"
	hostSignedWithoutPort = "hostSignedWithoutPort"
	chunked               = "chunked"
	otherName             = "otherName"
	dashedResponseID      = "dashedResponseId"
	pathDropped           = "pathDropped"

	flipped           = "flipped"
	truncated         = "truncated"
	html502           = "html502"
	slowDrip          = "slowDrip"
	jsonAsOctetStream = "jsonAsOctetStream"
	flowControl       = "flowControl"
	notThere          = "notThere"
	cut               = "cut"
	noLength          = "noLength"

	noHeader       = "noHeader"
	gbk            = "gbk"
	gb18030        = "gb18030"
	bom            = "bom"
	crlf           = "crlf"
	extraColumns   = "extraColumns"
	missingColumns = "missingColumns"
	reordered      = "reordered"
	split          = "split"
	padded         = "padded"
	quoted         = "quoted"
	bothKinds      = "bothKinds"

	emptyCSV   = "emptyCsv"
	emptyZIP   = "emptyZip"
	noCallback = "noCallback"
	noData     = "noData"
)

func beforeSignature(f *Faults) []named {
	a := &f.Answer
	return []named{{unauthorized, &a.Unauthorized}, {locked, &a.Locked}, {firewall, &a.Firewall}}
}

func perExtraction(f *Faults) []named {
	c := &f.Callback
	return []named{
		{beforeAnswer, &c.BeforeAnswer}, {veryLate, &c.VeryLate}, {never, &c.Never},
		{twice, &c.Twice}, {atOnce, &c.AtOnce},
	}
}

func perTry(f *Faults) []named {
	c := &f.Callback
	return []named{
		{wrongSignature, &c.WrongSignature}, {oldTimestamp, &c.OldTimestamp},
		{hostSignedWithPort, &c.HostSignedWithPort}, {hostSignedWithoutPort, &c.HostSignedWithoutPort},
		{chunked, &c.Chunked}, {otherName, &c.OtherName}, {dashedResponseID, &c.DashedResponseID},
		{pathDropped, &c.PathDropped},
	}
}

func perDownload(f *Faults) []named {
	d := &f.Download
	list := []named{
		{html502, &d.HTML502}, {slowDrip, &d.SlowDrip}, {jsonAsOctetStream, &d.JSONAsOctetStream},
		{flowControl, &d.FlowControl}, {notThere, &d.NotThere}, {cut, &d.Cut}, {noLength, &d.NoLength},
	}
	if d.Damage != damageStored {
		list = append(list, damage(d)...)
	}
	return list
}

// damageStored is the value of DownloadFaults.Damage for lasting damage.
const damageStored = "stored"

func perStoredFile(f *Faults) []named {
	if f.Download.Damage != damageStored {
		return nil
	}
	return damage(&f.Download)
}

func damage(d *DownloadFaults) []named {
	return []named{{flipped, &d.Flipped}, {truncated, &d.Truncated}}
}

func perFile(f *Faults) []named {
	c := &f.CSV
	return []named{
		{noHeader, &c.NoHeader}, {gbk, &c.GBK}, {gb18030, &c.GB18030}, {bom, &c.BOM}, {crlf, &c.CRLF},
		{extraColumns, &c.ExtraColumns}, {missingColumns, &c.MissingColumns}, {reordered, &c.Reordered},
		{split, &c.Split}, {padded, &c.Padded}, {quoted, &c.Quoted},
	}
}

func perEmptyFile(f *Faults) []named {
	e := &f.Empty
	return []named{
		{emptyCSV, &e.EmptyCSV}, {emptyZIP, &e.EmptyZIP}, {noCallback, &e.NoCallback}, {noData, &e.NoData},
	}
}
