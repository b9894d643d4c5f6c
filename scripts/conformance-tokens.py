#!/usr/bin/env python3
"""Makes the golden token ids of Tests/TextTokenizersTests/Encoding/Golden.

The ids come from llama.cpp's own library, loaded in this process:

    scripts/conformance-tokens.py --library .../libllama.so [--vocabularies] [--gemma .../llama.cpp]
    scripts/conformance-tokens.py --library .../libllama.so --published VOCABULARY.gguf

The second form compares the ids of a published vocabulary, such as those in models of llama.cpp's source, with those of
the tests' tokenizer, and keeps nothing.

With --vocabularies the two small vocabularies are trained again first (that changes every id); with --gemma the one in
Gemma's form, whose metadata llama.cpp's own converter makes. Needs the Python packages gguf, tokenizers and
sentencepiece, for --gemma also those of the converter. The structure of llama_model_params below is that of llama.h of the
release the goldens were made with (October 2026); another release may need another list of fields.
"""

import argparse
import ctypes as C
import json
import pathlib
import random
import struct
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "Tests/TextTokenizersTests/Encoding/Golden"
SAMPLE = ROOT / "samples/Pelican-10M-A5M"

RULES = ["qwen2", "qwen35", "deepseek-r1-qwen", "llama-bpe", "smollm", "refact", "gpt-2", "olmo", "tekken", "gpt-4o",
         "deepseek-llm", "deepseek-coder", "deepseek-v3", "glm4", "falcon", "default",
         "minimax-m2", "lfm2", "hunyuan", "kimi-k2", "bailingmoe2", "exaone-moe"]
# Those that split as another does.
SAME = ["deepseek-r1-qwen", "refact", "olmo", "glm4", "minimax-m2", "lfm2", "hunyuan"]


class ModelParams(C.Structure):
    _fields_ = [("devices", C.c_void_p), ("overrides", C.c_void_p), ("gpu_layers", C.c_int32), ("split", C.c_int),
                ("load", C.c_int), ("lazy", C.c_int), ("main_gpu", C.c_int32), ("tensor_split", C.c_void_p),
                ("progress", C.c_void_p), ("progress_data", C.c_void_p), ("kv", C.c_void_p)] + [
                    (name, C.c_bool) for name in
                    ("vocab_only", "check", "extra_bufts", "no_host", "no_alloc", "load_mtp")]


class Peer:
    """llama.cpp's tokenizer for one vocabulary."""
    library = None

    @classmethod
    def open(cls, path):
        cls.library = lib = C.CDLL(path)
        lib.llama_model_default_params.restype = ModelParams
        lib.llama_model_load_from_file.argtypes = [C.c_char_p, ModelParams]
        lib.llama_model_load_from_file.restype = C.c_void_p
        lib.llama_model_get_vocab.argtypes = [C.c_void_p]
        lib.llama_model_get_vocab.restype = C.c_void_p
        lib.llama_model_free.argtypes = [C.c_void_p]
        lib.llama_tokenize.argtypes = [C.c_void_p, C.c_char_p, C.c_int32, C.POINTER(C.c_int32), C.c_int32, C.c_bool,
                                       C.c_bool]
        lib.llama_detokenize.argtypes = [C.c_void_p, C.POINTER(C.c_int32), C.c_int32, C.c_char_p, C.c_int32, C.c_bool,
                                         C.c_bool]
        for name in ("bos", "eos", "eot", "pad", "n_tokens"):
            getattr(lib, "llama_vocab_" + name).argtypes = [C.c_void_p]
        for name in ("get_add_bos", "get_add_eos"):
            getattr(lib, "llama_vocab_" + name).argtypes = [C.c_void_p]
            getattr(lib, "llama_vocab_" + name).restype = C.c_bool
        lib.llama_vocab_is_eog.argtypes = [C.c_void_p, C.c_int32]
        lib.llama_vocab_is_eog.restype = C.c_bool
        callback = C.CFUNCTYPE(None, C.c_int, C.c_char_p, C.c_void_p)
        cls.silent = callback(lambda level, text, data: None)
        lib.llama_log_set.argtypes = [callback, C.c_void_p]
        lib.llama_log_set(cls.silent, None)

    def __init__(self, path):
        params = self.library.llama_model_default_params()
        params.vocab_only = True
        self.model = self.library.llama_model_load_from_file(str(path).encode(), params)
        assert self.model, path
        self.vocab = self.library.llama_model_get_vocab(self.model)

    def encode(self, data, add, parse):
        size = len(data) * 2 + 16
        while True:
            out = (C.c_int32 * size)()
            n = self.library.llama_tokenize(self.vocab, data, len(data), out, size, add, parse)
            if n >= 0:
                return list(out[:n])
            size = -n

    def decode(self, ids, remove, show):
        tokens = (C.c_int32 * len(ids))(*ids)
        size = len(ids) * 64 + 64
        while True:
            out = C.create_string_buffer(size)
            n = self.library.llama_detokenize(self.vocab, tokens, len(ids), out, size, remove, show)
            if n >= 0:
                return out.raw[:n]
            size = -n

    def roles(self):
        lib, v = self.library, self.vocab
        count = lib.llama_vocab_n_tokens(v)
        return {"bos": lib.llama_vocab_bos(v), "eos": lib.llama_vocab_eos(v), "pad": lib.llama_vocab_pad(v),
                "addBOS": lib.llama_vocab_get_add_bos(v), "addEOS": lib.llama_vocab_get_add_eos(v),
                "ends": [i for i in range(count) if lib.llama_vocab_is_eog(v, i)]}

    def close(self):
        self.library.llama_model_free(self.model)


def load(vocabulary):
    """The peer's tokenizer for a vocabulary as in our JSON files."""
    import gguf
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "vocabulary.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        for key, value in vocabulary["text"].items():
            writer.add_string(key, value)
        for key, value in vocabulary.get("ids", {}).items():
            writer.add_uint32(key, value)
        for key, value in vocabulary.get("flags", {}).items():
            writer.add_bool(key, value)
        writer.add_array("tokenizer.ggml.tokens", vocabulary["tokens"])
        if "types" in vocabulary:
            writer.add_array("tokenizer.ggml.token_type", vocabulary["types"])
        if "scores" in vocabulary:
            writer.add_array("tokenizer.ggml.scores", [float(x) for x in vocabulary["scores"]])
        if "merges" in vocabulary:
            writer.add_array("tokenizer.ggml.merges", vocabulary["merges"])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        return Peer(path)


# Texts

def nasty_strings():
    """The test strings, as bytes."""
    texts = [""]
    texts += [chr(c) for c in range(128)]
    texts += [f"a{chr(c)}b {chr(c)}{chr(c)} 1{chr(c)}" for c in (*range(0, 33), 127)]
    texts += ["'%s" % s for s in "s t m d re ve ll S T M D RE Ve lL x r v l".split()]
    texts += ["I'M we'Re they'LL don't DON'T it'ſ y'all's 'tis '' ''s 's's", "a'b 'c d' 're'", "l'été qu'on j'AI"]
    texts += [" ", "  ", "   ", "    ", " " * 17, "\n", "\n\n", "\n \n", " \n", "\r\n", "\r\n\r\n", "\r\r\n", "\t",
              "\t\t", " \t ", "\t a", "  a", "   a  b   c    ", "a  ", "a\n", "a \n", "a \n b", "a\n\n  b", "a\r\nb\r\n",
              "a\r\r\n\nb", "\n\n\n\n", " \n \n ", "x \t\n\r\f\v y", " " * 40 + "x", "x" + " " * 40, "\n" * 33 + "x"]
    texts += ["1", "12", "123", "1234", "12345", "1234567890" * 3, " 1 22 333 4444", "3.14159", "1,000,000", "0x1F", "١٢٣٤",
              "²³½", "Ⅷ ⅷ", "१२३४", "1a2b3c", "a1 b22 c333", "v1.2.3-rc4", "1e-10", "12:34:56"]
    texts += ["é", "e\u0301", "é e\u0301", "ñandú", "naïve café", "Ångström A\u030angstro\u0308m", "\u0301", "\u0301a",
              " \u0301", "a\u0301\u0302\u0303b", "1\u0301", "\u20dd\u20dd x", "ŻÓŁĆ żółć", "ﬁn ﬂ", "ǅungla ʰa"]
    texts += ["안녕하세요 세계", "한국어 12", "ㄱㄴㄷ", "สวัสดีครับ ผม", "ก็", "مرحبا بالعالم", "مُحَمَّد", "\u200fعربي\u200e x", "שלום עולם",
              "你好，世界。", "中文 mixed 文字 123", "日本語のテキスト", "カタカナ ひらがな", "漢字かな交じり文。", "𠀀𠀁", "नमस्ते दुनिया", "বাংলা", "தமிழ்",
              "తెలుగు", "ភាសាខ្មែរ", "မြန်မာ", "ქართული ᲥᲐ", "Ελληνικά Ώ", "Привет, мир! ЁЛКА", "Հայերեն", "ᏣᎳᎩ ꭰ", "Ａｂｃ １２３！"]
    texts += ["😀", "👨‍👩‍👧‍👦 family", "🏳️‍🌈", "👍🏽👍", "🇩🇪🇫🇷", "a😀b 😀 😀😀", "❤️ ❤", "☺︎", "🚀 (normal) 😶‍🌫️ (multiple)", "✅1"]
    texts += ["a\u00a0b", "\u00a0\u00a0", "a\u2009b \u2009", "\u3000", "\u3000全角\u3000 x", "a\u2028b\u2029c", "\u1680x", "\u0085a\u0085",
              "\u200b\u200b", "\ufeffBOM", "\u202e rtl", "\u00ad soft", "a\u2003\u2003b", " \u2003\n\u2003 x", "\ue000\U0010ffff", "\u0378",
              "\U000323af \u2ffc"]
    texts += ["<|im_start|>", "<|im_end|>", "<|im_start|>user\nHi<|im_end|>\n", "<|im_start|", "|im_start|>", "<|im_", "<<|im_start|>>",
              "<|im_start|><|im_start|>", " <|im_end|> ", "a<|endoftext|>b", "<|im_start|> <think>\n\n</think>\n", "<think>x</think>",
              "< think >", "<think", "</think></think>", "<s>", "</s>", "<s></s>", "<unk>", "a<unk>b", "<tool_call>{}</tool_call>",
              "<|im_start|>system\nYou are<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n", "<|fim_pad|>x",
              "x   y      z", "<|im<|im_start|>_start|>", "[PAD]", "<0x0A>", "<0x41>", "▁", "▁▁x▁", " ▁ x", "a▁b"]
    texts += ["Ġ", "ĠaĊb", "\u010a", "Ā", "ł", "[UNK_BYTE_0x]", "Hello , world ! How 's it ' quoted ' going ? I 'm we 've"]
    texts += ["hello", " hello", "Hello World", "HELLO WORLD", "helloWorld HelloWORLDfoo", "camelCaseXMLHttpRequest2", "ÀÉîÕü ÀÉÎ",
              "AéBÉcD", "ABÉ", "aBc'Ss", "USA's", "USA'S x'LL", "_under_score__", "a/b//c", "!\n/\n//x", "path/to/file.txt\n/", "...///\r\n/a",
              "!!!\n\n", " !!!\r\n x", "#include <stdio.h>\nint main(void) { return 0; }\n", "def f(x):\n\treturn x**2  # sq\n",
              "    if (a && b || !c) {\n        x += 1;\n    }\n", "let s = \"\\u{1F600}\"; // ok", "SELECT * FROM t WHERE a='b';--",
              "{\"a\": [1, 2.5, null], \"b\": \"c\\n\"}", "https://example.com/a?b=c&d=%20#e", "user@example.com", "a=b+c-d*e/f%g^h~i|j",
              "$100 €20 £3 ¥4 ₿5", "100% ±1° ×÷ ∑∞≈≠", "“quotes” ‘single’ — dash – … ·", "`code` ~~~", "「引用」、。", "$+<=>^`|~ $$ ++ ``",
              ".a ,b (c [d {e !f -g", "'hello' \"world\"", "\\n \\\\ \\", "C++ C# .NET F#", "a.b.c...", "!@#$%^&*()_+-=[]{}|;':\",./<>?"]
    texts += ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><path d="M10.5,20 L-3.25 4e-2 Z" fill="#FF8800"/></svg>',
              '<circle cx="12" cy="7.5" r="3"/>\n  <g transform="rotate(45 10 10)">\n    <rect/>\n  </g>\n']
    texts += ["a" * 1000, "ab" * 300, "A" * 200, "é" * 100, "中" * 100, "!" * 300, "0" * 301, " " * 500, "=" * 80 + "\n", "\u0301" * 50,
              "the quick brown fox jumps over the lazy dog " * 6, "xyz" * 20 + "'s", "\t" * 64 + "x"]
    generator = random.Random(20261001)
    ranges = [(0x20, 0x7f)] * 4 + [(0xa0, 0x250), (0x250, 0x600), (0x600, 0x1000), (0x1000, 0x2000), (0x2000, 0x2c00),
                                   (0x2c00, 0xa000), (0xa000, 0xd800), (0xe000, 0x10000), (0x10000, 0x20000), (0x1f300, 0x1fb00)]
    for _ in range(60):
        low, high = generator.choice(ranges), generator.choice(ranges)
        pick = [chr(generator.randrange(*generator.choice((low, high, (9, 14), (0x20, 0x40))))) for _ in range(generator.randrange(4, 40))]
        texts.append("".join(pick))
    result = [text.encode() for text in texts]
    result += [b"\xff", b"a\x80b", b"\xc3", b"\xc3(", b"\xe2\x82", b"x\xe2\x82 y", b"\xf0\x9f\x98", b"\xf0\x9f\x98<|im_end|>\x80",
               b"\xc0\xaf", b"\xc1\xbf\xc0\x80", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xed\xb0\x80x", b"\xfe\xfe\xff\xff", b"ok\xf8\x88\x80\x80\x80",
               b"\xe2\x96", b"\xf0\xe2\x96\x81a", b" \x80 \x81", b"caf\xe9 na\xefve"]
    return result


def gemma_strings():
    """Texts with what Gemma's vocabularies have besides: turns, tools, runs of line breaks and tabs."""
    texts = ["<|turn>user\nHi there<turn|>\n<|turn>model\n", "<|tool_call>call:f{a:<|\"|>x y<|\"|>}<tool_call|><|tool_response>1<tool_response|>",
             "<|channel>thought\n\n<channel|> Done.", "<|think|><table> <extra> <|image|><video></table>", "<unused0>[multimodal]<bos><eos><pad>",
             "<|turn", "< |turn>", "a<turn|>b <turn|> ", "<b> </b> > </i>", ">▁</", "x\n" * 9, "tab\t\t\t\t\t\t\tx", "<0x07><0xFF>\x07", "</s> <s>",
             "\n\n\n\n\n\n\n\n", "a\n\n\n\n\nb\n\n\nc", " \n \n\n  \n", "     five  two   three      six", "1 2  3\u20034"]
    generator = random.Random(42)
    pieces = texts + ["\n", "\n\n", " ", "  ", "word", " the", "é", "中文", "😀", "<turn|>", "<|turn>", "\t", ".", "</", ">", "{", "\u0301"]
    texts += ["".join(generator.choice(pieces) for _ in range(generator.randrange(2, 14))) for _ in range(60)]
    return [text.encode() for text in texts]


# Vocabularies

def byte_alphabet():
    printable = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    extra = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(extra)) for b in range(256)]


def training_text():
    parts = [p.read_text() for p in sorted((ROOT / "samples").glob("*.md"))]
    parts.append((ROOT / "samples/texts/svg-chat.txt").read_text()[:60000])
    parts += [p.read_text() for p in sorted((ROOT / "Sources/FileBytes").glob("*.swift"))]
    strings = [s.decode("utf-8", "ignore") for s in nasty_strings() if len(s) < 200]
    return "\n".join(parts) + "\n".join(strings * 12)


SPECIAL = [("<|endoftext|>", 3), ("<|im_start|>", 3), ("<|im_end|>", 3), ("<|fim_pad|>", 3), ("<think>", 4), ("</think>", 4),
           ("<tool_call>", 4), ("</tool_call>", 4), ("   ", 4), ("<|im_", 4), ("<s>", 3), ("</s>", 1), ("<unk>", 2), ("[PAD]", 5)]


def train_byte_pairs():
    """Merges that cross all kinds of word boundaries, so that a wrong split changes ids."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    text = training_text()
    generator = random.Random(7)
    chunks, at = [], 0
    while at < len(text):
        size = generator.randrange(4, 14)
        chunks.append(text[at:at + size])
        at += size
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(vocab_size=2600, initial_alphabet=byte_alphabet(), show_progress=False)
    tokenizer.train_from_iterator(chunks, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    # Some merges whose result is no token, and a byte without a token, as broken files have them.
    dropped = {m.replace(" ", "") for m in merges[100::150]} | {byte_alphabet()[7]}
    kept = [t for t in tokens if t not in dropped and t not in dict(SPECIAL)]
    write("bytepairs.json", {"tokens": kept + [t for t, _ in SPECIAL],
                             "types": [1] * len(kept) + [k for _, k in SPECIAL], "merges": merges})


def train_sentence_piece():
    import io
    import sentencepiece as sp
    model = io.BytesIO()
    lines = [line for line in training_text().split("\n") if line.strip()]
    sp.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=1600, model_type="bpe", byte_fallback=True,
        character_coverage=0.995, normalization_rule_name="identity", remove_extra_whitespaces=False,
        user_defined_symbols=["<think>", "</think>", "<|im_"], control_symbols=["<|im_start|>", "<|im_end|>"],
        allow_whitespace_only_pieces=True, split_by_whitespace=True, minloglevel=2, num_threads=1)
    p = sp.SentencePieceProcessor(model_proto=model.getvalue())
    kind = lambda i: 2 if p.is_unknown(i) else 3 if p.is_control(i) else 6 if p.is_byte(i) else 1
    types = [kind(i) for i in range(len(p))]
    tokens = [p.id_to_piece(i) for i in range(len(p))]
    for i, token in enumerate(tokens):
        if token in ("<think>", "</think>", "<|im_"):
            types[i] = 4
    write("sentencepiece.json", {"tokens": tokens, "types": types,
                                 "scores": [struct.unpack("f", struct.pack("f", p.get_score(i)))[0] for i in range(len(p))]})


def train_gemma(source):
    """A tokenizer as Gemma 4 has it, small, and its metadata as the converter writes them."""
    import sys
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    shown = ["<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>', "<|channel>", "<channel|>"]
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]", "<unused0>", "<|tool>", "<tool|>", *shown, "<|think|>",
               "<|turn>", "<turn|>"]
    runs = [c * n for c in "\n▁\t" for n in range(2, 6)]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex("\n+"), "isolated"), pre_tokenizers.Split("▁", "merged_with_next")])
    trainer = trainers.BpeTrainer(vocab_size=760, show_progress=False, limit_alphabet=150, special_tokens=special + ["<table>", "</s>"])
    tokenizer.train_from_iterator(training_text().replace("\0", "").split("\r"), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [m if isinstance(m, list) else m.split(" ") for m in model["merges"]]
    learned = sorted(model["vocab"], key=model["vocab"].get)[len(special) + 2:]
    # Runs are tokens and made by merges of any two parts; two tokens go across a space.
    merges = [[r[:i], r[i:]] for r in runs for i in range(len(r) - 1, 0, -1)] + merges
    merges += [["<", "/"], [">", "▁"], [">▁", "</"]]
    learned = [t for t in learned if t not in runs and t not in ("</", ">▁")] + ["</", ">▁", ">▁</"]
    tokens = special + runs + ["<table>", "</s>"] + ["<0x%02X>" % b for b in range(256) if b != 7] + learned
    result = json.loads(tokenizer.to_str())
    result["model"].update(vocab={t: i for i, t in enumerate(tokens)}, merges=merges)
    result["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    result["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]}
    added = [(t, True) for t in special if t not in ("[multimodal]",)] + [("<table>", False)]
    later = [("<|image|>", True), ("<extra>", False), ("<video>", True)]
    ids = {t: i for i, t in enumerate(tokens + [t for t, _ in later])}
    result["added_tokens"] = [{"id": ids[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                               "normalized": False, "special": s} for t, s in added + later]
    folder = GOLDEN / "gemma"
    folder.mkdir(exist_ok=True)
    write("gemma/tokenizer.json", result)
    write("gemma/tokenizer_config.json", {
        "tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>",
        "image_token": "<|image|>", "sot_token": "<|turn>", "eot_token": "<turn|>", "std_token": "<|tool>", "etd_token": "<tool|>",
        "stc_token": "<|tool_call>", "etc_token": "<tool_call|>", "extra_special_tokens": ["<|think|>"],
        "chat_template": "{{ bos_token }}{% for m in messages %}<|turn>{{ m.role }}\n{{ m.content }}<turn|>\n{% endfor %}"})
    sys.path[:0] = [str(source), str(source / "gguf-py")]
    import gguf
    from conversion.gemma import Gemma4Model
    converter = object.__new__(Gemma4Model)
    converter.dir_model = folder
    converter.gguf_writer = gguf.GGUFWriter(None, "gemma4")
    converter.set_vocab()
    out = {"keys": [], "text": {}, "ids": {}, "flags": {}}
    places = {"tokens": "tokens", "token_type": "types", "scores": "scores", "merges": "merges"}
    for key, entry in converter.gguf_writer.kv_data[0].items():
        value, name = entry.value, key.removeprefix("tokenizer.ggml.")
        if not key.startswith("tokenizer."):
            continue
        out["keys"].append(key)
        if name in places:
            out[places[name]] = [v.decode() if isinstance(v, bytes) else v for v in value]
        else:
            out["flags" if isinstance(value, bool) else "ids" if isinstance(value, int) else "text"][key] = value
    write("gemma.json", out)


def pair_vocabulary():
    """Every byte, and a third of the merges of a last byte of a character with a first byte; the tests build the same."""
    alphabet = byte_alphabet()
    pairs = [(a, b) for a in range(192) for b in [*range(128), *range(0xc2, 0xf5)] if (a * 7 + b) % 3 == 0]
    pairs.sort(key=lambda p: ((p[0] * 131 + p[1] * 29) % 251, p))
    return {"tokens": alphabet + [alphabet[a] + alphabet[b] for a, b in pairs],
            "merges": [alphabet[a] + " " + alphabet[b] for a, b in pairs]}


# Special tokens of published models, the end of a text first.
TURNS = {"gpt-oss": ["<|return|>", "<|call|>", "<|end|>", "<|channel|>", "<|message|>", "<|start|>", "<|constrain|>", "<|endoftext|>"],
         "solar": ["<|im_end|>", "<|flush|>", "<|calls|>", "<|end|>", "<|endoftext|>"], "minimax": ["[e~[", "]~!b[", "]~b]", "<think>"],
         "ling": ["<|role_end|>", "<|startoftext|>", "<|endoftext|>", "<role>", "</role>"], "exaone": ["<|endofturn|>", "[|endofturn|]", "<|endoftext|>", "[EOS]"],
         "lfm2": ["<|im_end|>", "<|startoftext|>", "<|endoftext|>", "<|pad|>"], "phi": ["<|endoftext|>", "<|end|>", "<s>", "</s>", "<|user|>"],
         "hunyuan": ["<|eos|>", "<|bos|>", "<|startoftext|>", "<|endoftext|>", "<|extra_0|>"], "granite": ["<|end_of_text|>", "<fim_pad>", "<reponame>", "<|end_of_role|>"],
         "gemma": ["<eos>", "<turn|>", "<|turn>", "<|tool_response>", "</s>"], "kimi": ["[EOS]", "[BOS]", "[EOT]", "<|im_end|>", "[PAD]", "<|im_middle|>"]}


def turn_ends():
    """The tokens that end a turn for each of these sets."""
    result = {}
    for name, special in TURNS.items():
        alphabet = byte_alphabet()
        peer = load({"tokens": alphabet + special, "types": [1] * 256 + [3] * len(special), "merges": ["a b"],
                     "text": {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2"}, "ids": {"tokenizer.ggml.eos_token_id": 256}})
        result[name] = {"special": special, "ends": peer.roles()["ends"], "texts": [peer.decode([256 + i], False, False).decode() for i in range(len(special))]}
        peer.close()
    return result


def sample_vocabulary():
    tokenizer = json.loads((SAMPLE / "tokenizer.json").read_text())
    tokens = dict(tokenizer["model"]["vocab"])
    types = {}
    for added in tokenizer["added_tokens"]:
        tokens[added["content"]] = added["id"]
        types[added["id"]] = 3
    ordered = sorted(tokens, key=tokens.get)
    ids = {added["content"]: added["id"] for added in tokenizer["added_tokens"]}
    merges = [" ".join(m) if isinstance(m, list) else m for m in tokenizer["model"]["merges"]]
    return {"tokens": ordered, "types": [types.get(i, 1) for i in range(len(ordered))], "merges": merges,
            "text": {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2"},
            "ids": {"tokenizer.ggml.eos_token_id": ids["<|im_end|>"],
                    "tokenizer.ggml.padding_token_id": ids["<|endoftext|>"]},
            "flags": {"tokenizer.ggml.add_bos_token": False}}


def with_rule(vocabulary, rule):
    result = {**vocabulary, "text": {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": rule}}
    if "types" in vocabulary:
        find = vocabulary["tokens"].index
        result["ids"] = {"tokenizer.ggml.bos_token_id": find("<s>"), "tokenizer.ggml.eos_token_id": find("<|im_end|>")}
    return result


# Goldens

def write(name, value):
    GOLDEN.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Some JSON readers drop a byte order mark that begins a string.
    (GOLDEN / name).write_text(text.replace("\ufeff", "\\ufeff") + "\n")


def read(name):
    return json.loads((GOLDEN / name).read_text())


def hash_of(values, seed=0xcbf29ce484222325):
    """FNV-1a over little-endian 32-bit values."""
    for byte in struct.pack("<%di" % len(values), *values):
        seed = (seed ^ byte) * 0x100000001b3 % 2**64
    return seed


def shorten(ids):
    """Long results are kept as their count and hash."""
    return ids if len(ids) <= 48 else [-1, len(ids), "%016x" % hash_of(ids)]


def flags_for(index, data):
    """Bit 0: add special tokens; bit 1: parse special tokens."""
    flags = [0]
    if any(mark in data for mark in (b"<|", b"<s>", b"</s>", b"<unk>", b"<think>")):
        flags += [2, 3]
    elif index % 40 == 0:
        flags += [1]
    return flags


def make(strings):
    vocabulary = read("bytepairs.json")
    cases = [(i, f) for i, s in enumerate(strings) for f in flags_for(i, s)]
    results, pairs, decoded, roles = {c: {} for c in cases}, {}, [], {}
    for bit, rule in enumerate(RULES):
        peer = load(with_rule(vocabulary, rule))
        roles[rule] = peer.roles()
        for i, f in cases:
            ids = tuple(peer.encode(strings[i], bool(f & 1), bool(f & 2)))
            results[i, f][ids] = results[i, f].get(ids, 0) | 1 << bit
            if rule in ("gpt-2", "llama-bpe") and (f or i % 7 == 0):
                for d in range(4):
                    decoded.append([bit, list(ids), d, peer.decode(ids, bool(d & 1), bool(d & 2)).hex()])
        peer.close()
        if rule in SAME:
            continue
        peer = load(with_rule(pair_vocabulary(), rule))
        pairs[rule] = ["%016x" % hash_of(peer.encode(s, False, False)) for s in strings]
        peer.close()
    write("bytepairs-ids.json", {"rules": RULES, "roles": roles, "decoded": [d for d in decoded if len(d[1]) < 40],
                                 "cases": [[i, f, [[mask, shorten(list(ids))] for ids, mask in results[i, f].items()]]
                                           for i, f in cases]})
    write("pairs-ids.json", pairs)
    write("ends.json", turn_ends())
    sentence_piece = {**read("sentencepiece.json"), "text": {"tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default"}}
    variants = {"sentencepiece": sentence_piece,
                "sentencepiece-noprefix": {**sentence_piece, "flags": {"tokenizer.ggml.add_space_prefix": False,
                                                                       "tokenizer.ggml.add_eos_token": True}},
                "sample": sample_vocabulary(), "gemma": read("gemma.json")}
    for name, vocabulary in variants.items():
        peer = load(vocabulary)
        out, decoded = [], []
        for i, f in cases:
            ids = peer.encode(strings[i], bool(f & 1), bool(f & 2))
            out.append([i, f, shorten(ids)])
            if (f or i % 5 == 0) and len(ids) < 40:
                decoded += [[ids, d, peer.decode(ids, bool(d & 1), bool(d & 2)).hex()] for d in range(4)]
        golden = {"roles": peer.roles(), "cases": out, "decoded": decoded}
        if name == "gemma":
            own = gemma_strings()
            golden["texts"] = [s.hex() for s in own]
            golden["textCases"] = [[i, f, shorten(peer.encode(s, bool(f & 1), bool(f & 2)))] for i, s in enumerate(own) for f in range(4)]
            golden["decoded"] += [[ids, d, peer.decode(ids, bool(d & 1), bool(d & 2)).hex()] for s in own for d in range(4)
                                  if len(ids := peer.encode(s, True, True)) < 40]
        write(name + "-ids.json", golden)
        peer.close()


def compare_published(path):
    """Compares the ids of a published vocabulary, a GGUF file, with those of the tests' tokenizer."""
    import os
    import subprocess
    import gguf
    fields = {k: f for k, f in gguf.GGUFReader(path).fields.items() if k.startswith("tokenizer.") or k == "general.name"}
    out = {"keys": list(fields), "text": {}, "ids": {}, "flags": {}}
    places = {"tokens": "tokens", "token_type": "types", "scores": "scores", "merges": "merges"}
    for key, field in fields.items():
        value, name = field.contents(), key.removeprefix("tokenizer.ggml.")
        if name in places:
            out[places[name]] = value
        else:
            out["flags" if isinstance(value, bool) else "ids" if isinstance(value, int) else "text"][key] = value
    peer = Peer(path)
    texts = nasty_strings() + gemma_strings() + [training_text().encode()]
    cases = []
    for i, text in enumerate(texts):
        for f in (0, 3):
            ids = peer.encode(text, bool(f & 1), bool(f & 2))
            cases.append([i, f, shorten(ids), peer.decode(ids, False, True).hex()])
    out.update(roles=peer.roles(), texts=[text.hex() for text in texts], cases=cases)
    peer.close()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "cases.json"
        file.write_text(json.dumps(out))
        command = ["swift", "test", "-c", "release", "--disable-testable-imports", "--filter", "PublishedVocabularyTests"]
        raise SystemExit(subprocess.run(command, cwd=ROOT, env={**os.environ, "POUCH_TOKEN_CASES": str(file)}).returncode)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, help="libllama.so of llama.cpp")
    parser.add_argument("--vocabularies", action="store_true", help="train the small vocabularies again")
    parser.add_argument("--gemma", type=pathlib.Path, help="llama.cpp's source: make the vocabulary in Gemma's form again")
    parser.add_argument("--published", type=pathlib.Path, help="a GGUF file with a vocabulary: compare its ids")
    arguments = parser.parse_args()
    if arguments.published:
        Peer.open(arguments.library)
        compare_published(arguments.published)
    if arguments.vocabularies:
        train_byte_pairs()
        train_sentence_piece()
    if arguments.gemma:
        train_gemma(arguments.gemma)
    Peer.open(arguments.library)
    strings = nasty_strings()
    write("strings.json", [s.hex() for s in strings])
    make(strings)


if __name__ == "__main__":
    main()
