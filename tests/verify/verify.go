// verify checks an audit log of Keyhole, or the receipt of one record, with the trees, tiles and notes of golang.org/x/mod/sumdb: code by
// others for exactly these formats (docs/formats/audit.md). Debian: golang-go golang-golang-x-mod-dev.
//
//	verify VKEYFILE DIR                  a whole log: DIR holds checkpoint and tile/
//	verify VKEYFILE DIR -since FILE      also: the checkpoint in FILE is a beginning of it
//	verify VKEYFILE -receipt FILE        one record
//	verify VKEYFILE DIR -mutate N SEED   N damaged copies of the log, in memory: each has to be refused
//	verify VKEYFILE -mutate N SEED -receipt FILE
//
// The exit status is 0 if all is good (with -mutate: if the whole is good and every damaged copy is refused), 1 if not.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

// files is a log as it lies in a directory: name below it -> bytes.
type files map[string][]byte

func readDir(dir string) (files, error) {
	all := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || (name != "checkpoint" && !strings.HasPrefix(name, "tile/")) {
			return err
		}
		all[name], err = os.ReadFile(path)
		return err
	})
	return all, err
}

// vkeys are the verifier keys of a file, one a line, of one or more logs.
type vkeys []string

func readKeys(path string) (vkeys, error) {
	text, err := os.ReadFile(path)
	var keys vkeys
	for _, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	return keys, err
}

type tree struct {
	origin string
	tlog.Tree
}

// decode reads base64 in its one spelling. Go's own decoder is kind to line ends.
func decode(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil && base64.StdEncoding.EncodeToString(raw) != text {
		err = errors.New("base64 in another spelling than the one there is")
	}
	return raw, err
}

// open gives what a checkpoint says, if the key of its origin signed it.
func (keys vkeys) open(msg []byte) (tree, error) {
	var t tree
	origin, _, _ := strings.Cut(string(msg), "\n")
	for _, k := range keys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return t, err
		}
		if v.Name() != origin {
			continue
		}
		n, err := note.Open(msg, note.VerifierList(v))
		if err != nil {
			return t, err
		}
		for _, s := range n.Sigs {
			if _, err := decode(s.Base64); err != nil { // x/mod reads it kindly
				return t, err
			}
		}
		lines := strings.Split(n.Text, "\n")
		if len(lines) != 4 || lines[3] != "" {
			return t, errors.New("a checkpoint has three lines")
		}
		size, err := strconv.ParseInt(lines[1], 10, 64)
		if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
			return t, errors.New("not a size")
		}
		root, err := decode(lines[2])
		if err != nil || len(root) != tlog.HashSize {
			return t, errors.New("not a root")
		}
		t = tree{origin: origin}
		t.N = size
		copy(t.Hash[:], root)
		return t, nil
	}
	return t, fmt.Errorf("no key is given for %.80q", origin)
}

// tiles reads tiles for tlog.TileHashReader, which authenticates what it reads against the tree.
type tiles struct{ files }

func (tiles) Height() int                         { return tileHeight }
func (tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

// x/mod names a tile tile/<height>/<level>/<N>; C2SP's tlog-tiles leave the height out.
func path(t tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", tileHeight))
}

func (r tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range want {
		data, ok := r.files[path(t)]
		if !ok {
			return nil, fmt.Errorf("%s is not there", path(t))
		}
		out = append(out, data)
	}
	return out, nil
}

func entriesPath(n, width int64) string {
	t := tlog.Tile{H: tileHeight, L: 0, N: n, W: int(width)}
	return "tile/entries/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/0/", tileHeight))
}

type leaf struct {
	V    int    `json:"v"`
	Log  string `json:"log"`
	I    int64  `json:"i"`
	T    string `json:"t"`
	Type string `json:"type"`
}

func readLeaf(raw []byte, index int64, log string) (leaf, error) {
	var l leaf
	if err := json.Unmarshal(raw, &l); err != nil {
		return l, fmt.Errorf("record %d: %v", index, err)
	}
	if l.V != 1 || l.I != index || l.Log != log || l.T == "" || l.Type == "" {
		return l, fmt.Errorf("record %d says that it is another one", index)
	}
	return l, nil
}

func (keys vkeys) checkLog(all files, since []byte) (tree, error) {
	t, err := keys.open(all["checkpoint"])
	if err != nil {
		return t, fmt.Errorf("checkpoint: %v", err)
	}
	log := t.origin[strings.LastIndexByte(t.origin, '/')+1:]
	hashes := tlog.TileHashReader(t.Tree, tiles{all})
	if root, err := tlog.TreeHash(t.N, hashes); err != nil || root != t.Hash {
		return t, fmt.Errorf("root: %v", err)
	}
	if since != nil {
		old, err := keys.open(since)
		if err != nil || old.origin != t.origin || old.N > t.N {
			return t, fmt.Errorf("the checkpoint that was kept: %d records, %v", old.N, err)
		}
		proof, err := tlog.ProveTree(t.N, old.N, hashes)
		if err == nil {
			err = tlog.CheckTree(proof, t.N, t.Hash, old.N, old.Hash)
		}
		if err != nil {
			return t, fmt.Errorf("consistency: %v", err)
		}
	}
	time := ""
	for n := int64(0); n*256 < t.N; n++ {
		width := t.N - n*256
		if width > 256 {
			width = 256
		}
		bundle, ok := all[entriesPath(n, width)]
		if !ok {
			return t, fmt.Errorf("%s is not there", entriesPath(n, width))
		}
		var indexes []int64
		for i := int64(0); i < width; i++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, n*256+i))
		}
		want, err := hashes.ReadHashes(indexes)
		if err != nil {
			return t, err
		}
		for i := int64(0); i < width; i++ {
			if len(bundle) < 2 || len(bundle) < 2+(int(bundle[0])<<8|int(bundle[1])) {
				return t, errors.New("a bundle of entries is cut")
			}
			end := 2 + (int(bundle[0])<<8 | int(bundle[1]))
			raw := bundle[2:end]
			bundle = bundle[end:]
			if tlog.RecordHash(raw) != want[i] {
				return t, fmt.Errorf("record %d is not what was signed", n*256+i)
			}
			l, err := readLeaf(raw, n*256+i, log)
			if err != nil {
				return t, err
			}
			if l.T < time {
				return t, fmt.Errorf("record %d is older than the one before it", n*256+i)
			}
			time = l.T
		}
		if len(bundle) != 0 {
			return t, errors.New("a bundle holds more than its entries")
		}
	}
	return t, everyTile(all, t, hashes)
}

// everyTile looks also at the tiles that no proof needed.
func everyTile(all files, t tree, hashes tlog.HashReader) error {
	for level := 0; t.N>>(tileHeight*level) > 0; level++ {
		row := t.N >> (tileHeight * level)
		for n := int64(0); n*256 < row; n++ {
			width := row - n*256
			if width > 256 {
				width = 256
			}
			tile := tlog.Tile{H: tileHeight, L: level, N: n, W: int(width)}
			var want []byte
			var indexes []int64
			for i := int64(0); i < width; i++ {
				indexes = append(indexes, tlog.StoredHashIndex(tileHeight*level, n*256+i))
			}
			got, err := hashes.ReadHashes(indexes)
			if err != nil {
				return err
			}
			for _, h := range got {
				want = append(want, h[:]...)
			}
			if data, ok := all[path(tile)]; !ok || !bytes.Equal(data, want) {
				return fmt.Errorf("%s does not hold the hashes of the records", path(tile))
			}
		}
	}
	return nil
}

func (keys vkeys) checkReceipt(text []byte) (tree, int64, error) {
	head, msg, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return tree{}, 0, errors.New("this is no receipt")
	}
	raw, err := decode(lines[1][6:])
	if err != nil {
		return tree{}, 0, err
	}
	index, err := strconv.ParseInt(lines[2][6:], 10, 64)
	if err != nil || strconv.FormatInt(index, 10) != lines[2][6:] {
		return tree{}, 0, errors.New("not an index")
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		h, err := decode(line)
		if err != nil || len(h) != tlog.HashSize {
			return tree{}, 0, errors.New("not a path")
		}
		proof = append(proof, tlog.Hash(*(*[tlog.HashSize]byte)(h)))
	}
	t, err := keys.open(msg)
	if err != nil {
		return t, index, err
	}
	if err := tlog.CheckRecord(proof, t.N, t.Hash, index, tlog.RecordHash(raw)); err != nil {
		return t, index, err
	}
	_, err = readLeaf(raw, index, t.origin[strings.LastIndexByte(t.origin, '/')+1:])
	return t, index, err
}

// damage changes a copy of one file: a bit, a byte taken out or put in, a piece cut off, two pieces swapped.
func damage(data []byte, r *rand.Rand) []byte {
	out := append([]byte(nil), data...)
	for bytes.Equal(out, data) {
		at := r.Intn(len(data))
		switch r.Intn(5) {
		case 0:
			out[at] ^= 1 << r.Intn(8)
		case 1:
			out = append(append([]byte(nil), data[:at]...), data[at+1:]...)
		case 2:
			out = append(append(append([]byte(nil), data[:at]...), byte(r.Intn(256))), data[at:]...)
		case 3:
			out = append([]byte(nil), data[:at]...)
		case 4:
			to := r.Intn(len(data))
			for i := 0; i < 32 && at+i < len(out) && to+i < len(out); i++ {
				out[at+i], out[to+i] = out[to+i], out[at+i]
			}
		}
	}
	return out
}

func mutateLog(keys vkeys, all files, n int, seed int64) error {
	r := rand.New(rand.NewSource(seed))
	var names []string
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	for i := 0; i < n; i++ {
		name := names[r.Intn(len(names))]
		if i%4 == 0 {
			name = "checkpoint"
		}
		copied := files{}
		for k, v := range all {
			copied[k] = v
		}
		copied[name] = damage(all[name], r)
		if _, err := keys.checkLog(copied, nil); err == nil {
			_ = os.WriteFile("accepted", copied[name], 0o600)
			return fmt.Errorf("mutation %d of %s (seed %d) was accepted; the file is in ./accepted", i, name, seed)
		}
	}
	return nil
}

func mutateReceipt(keys vkeys, text []byte, n int, seed int64) error {
	r := rand.New(rand.NewSource(seed))
	for i := 0; i < n; i++ {
		bad := damage(text, r)
		if _, _, err := keys.checkReceipt(bad); err == nil {
			return fmt.Errorf("mutation %d of the receipt (seed %d) was accepted: %q", i, seed, bad)
		}
	}
	return nil
}

type wish struct {
	dir, since, receipt string
	n                   int
	seed                int64
}

func parse(args []string) (wish, error) {
	var w wish
	var err error
	for len(args) > 0 && err == nil {
		switch {
		case args[0] == "-since" && len(args) > 1:
			w.since, args = args[1], args[2:]
		case args[0] == "-receipt" && len(args) > 1:
			w.receipt, args = args[1], args[2:]
		case args[0] == "-mutate" && len(args) > 2:
			if w.n, err = strconv.Atoi(args[1]); err == nil {
				w.seed, err = strconv.ParseInt(args[2], 10, 64)
			}
			args = args[3:]
		case w.dir == "":
			w.dir, args = args[0], args[1:]
		default:
			err = fmt.Errorf("what is %q?", args[0])
		}
	}
	if err == nil && (w.dir == "") == (w.receipt == "") {
		err = errors.New("a log or a receipt")
	}
	return w, err
}

func (w wish) run(keys vkeys) error {
	if w.receipt != "" {
		text, err := os.ReadFile(w.receipt)
		if err != nil {
			return err
		}
		t, index, err := keys.checkReceipt(text)
		if err != nil {
			return err
		}
		fmt.Printf("good: record %d of %s\n", index, t.origin)
		return mutateReceipt(keys, text, w.n, w.seed)
	}
	all, err := readDir(w.dir)
	if err != nil {
		return err
	}
	var since []byte
	if w.since != "" {
		if since, err = os.ReadFile(w.since); err != nil {
			return err
		}
	}
	t, err := keys.checkLog(all, since)
	if err != nil {
		return err
	}
	fmt.Printf("good: %s, %d records, root %s\n", t.origin, t.N, t.Hash)
	return mutateLog(keys, used(all, t), w.n, w.seed)
}

// used leaves out partial tiles that the tree has outgrown: nobody reads them.
func used(all files, t tree) files {
	out := files{"checkpoint": all["checkpoint"]}
	for level := 0; t.N>>(tileHeight*level) > 0; level++ {
		row := t.N >> (tileHeight * level)
		for n := int64(0); n*256 < row; n++ {
			width := row - n*256
			if width > 256 {
				width = 256
			}
			names := []string{path(tlog.Tile{H: tileHeight, L: level, N: n, W: int(width)})}
			if level == 0 {
				names = append(names, entriesPath(n, width))
			}
			for _, name := range names {
				out[name] = all[name]
			}
		}
	}
	return out
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "verify VKEYFILE DIR [-since FILE] | VKEYFILE -receipt FILE, [-mutate N SEED]")
		os.Exit(2)
	}
	keys, err := readKeys(os.Args[1])
	var w wish
	if err == nil {
		w, err = parse(os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(2)
	}
	if err := w.run(keys); err != nil {
		fmt.Println("BAD:", err)
		os.Exit(1)
	}
}
