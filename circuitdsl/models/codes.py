"""What `explain` says about models."""

from circuitdsl.borders.codes import Code

CODES: dict[str, Code] = {
    "C401": Code(
        "no such model",
        'The name after `model` is a bundled name (`circuitdsl models` lists them), a Hub id such as "openai-community/gpt2", a '
        "folder with config.json and *.safetensors, or a file that ends in .gguf. A relative folder or file starts at the "
        "circuit file's own folder.\n\n"
        "Nothing was found under the name that the file gives.",
    ),
    "C402": Code(
        "the model is not on this machine",
        "A model that is named by its Hub id is downloaded once and then read from the Hub's local cache. It is not there, and "
        "the Hub cannot be reached (or offline mode is on).\n\n"
        "Checking a file needs only the model's shape: well-known models can be checked without a network. To verify, fetch the "
        "model where there is one, or name a folder, a GGUF file or a bundled model.",
    ),
    "C403": Code(
        "the Hub does not give the model",
        "The Hub answered, but has no model of that name or no such revision, or the model asks for a licence first.\n\n"
        "Check the spelling of the id and of `revision`. For a model with a licence, accept it on the model's page and log in "
        "with `hf auth login`.",
    ),
    "C404": Code(
        "pickled weights",
        "The model has its weights only as Python pickles (*.bin, *.pt). Reading a pickle can run any code that its author put "
        "there, and a circuit file is data that can be opened from anywhere, so pickles are refused.\n\n"
        "Convert the model to safetensors, use a revision that has them, or pass `--allow-pickle` if you trust where the file is "
        "from.",
    ),
    "C405": Code(
        "damaged or missing weights",
        "The folder has no *.safetensors, or one of them ends before its own header says so. Most often a copy or a download "
        "was cut off.\n\n"
        "Fetch the files again.",
    ),
    "C406": Code(
        "weights do not fit the configuration",
        "config.json, or the metadata of a GGUF file, describes tensors that the weight files lack, or that have another shape there. "
        "Transformers would fill such tensors with random numbers and go on; a claim about the result would mean nothing.\n\n"
        "Check that config.json and the weights are from the same model, and that a GGUF file is whole.",
    ),
    "C407": Code(
        "weights are not finite",
        "A tensor holds NaN or infinity. Every number computed from it would be NaN.\n\n"
        "The file may be damaged or the model diverged in training; with `--dtype float16`, large weights overflow: use "
        "float32.",
    ),
    "C408": Code(
        "unsupported family",
        "The engine takes a model apart into heads, MLPs and norms, so it has to know where a family keeps them. This one is "
        "not known yet.\n\n"
        "A family is one small file in circuitdsl/models/families: which `model_type`s it serves, its shape from a "
        "configuration, where its modules are, and how its attention differs from the usual. llama.py is a good start; nothing "
        "else has to be edited, and the guards at load tell whether the file is right.",
    ),
    "C409": Code(
        "quantised weights or a LoRA adapter",
        "Weights that are stored quantised (bitsandbytes, GPTQ, AWQ) or as a LoRA adapter have no plain matrices to take apart "
        "into heads.\n\n"
        "Use the full-precision model; merge a LoRA adapter into its base model first (`merge_and_unload` in PEFT). GGUF files "
        "are dequantised at load and work.",
    ),
    "C410": Code(
        "GGUF file cannot be read",
        "GGUF files are read by transformers with the packages gguf and accelerate: `pip install 'circuitdsl[gguf]'`. The first "
        "time, the tokenizer and the dequantised weights are converted and kept in the cache, by the content of the file.\n\n"
        "If the packages are there, the file is damaged, is not GGUF, or holds an architecture that transformers cannot "
        "convert.",
    ),
    "C411": Code(
        "configuration cannot be understood",
        "config.json is missing, is not JSON, does not say its `model_type`, or holds numbers that make no sense together (no "
        "layers, heads that key-value heads do not divide).\n\n"
        "Fetch the model's config.json again.",
    ),
    "C412": Code(
        "no such type or device",
        "`--dtype` is float32 (the default), float64, bfloat16 or float16. `--device` is a device of torch on this machine: "
        "cpu, cuda, cuda:1, mps. Weights of any type are computed in float32 unless told otherwise.",
    ),
    "C413": Code(
        "tokenizer cannot be used",
        "The tokenizer's file is damaged, or is in an older format that transformers cannot convert, or the setting `bos = "
        "true` asks for a BOS token that the tokenizer does not have.\n\n"
        "Fetch tokenizer.json again, or remove the setting.",
    ),
    "C414": Code(
        "bundled model not installed",
        "A bundled model comes in a package of its own, which is not installed here. The package is only looked for and never "
        "imported; the message has the command that installs it without its dependencies.",
    ),
    "C415": Code(
        "prompt longer than the model's context",
        "The model was built for a number of positions, and a prompt has more tokens than that. Use shorter prompts, or a model "
        "with a longer context.",
    ),
    "C416": Code(
        "cache cannot be written",
        "Converted tokenizers and dequantised weights are kept in a cache folder, which cannot be written: it is read-only, or "
        "the disk is full (dequantised weights take four bytes a parameter).\n\n"
        "Make room, or set CIRCUITDSL_CACHE to a folder that can be written. Deleting the cache loses nothing but time.",
    ),
    "C417": Code(
        "the model cannot be put on the device",
        "Either the device's memory does not hold the weights (four bytes a parameter in float32, two in bfloat16), or it does not "
        "compute with this type: Apple's GPUs have no float64.\n\n"
        "Use `--dtype bfloat16`, another device, or a smaller model.",
    ),
    "C418": Code(
        "token outside the model's vocabulary",
        "A prompt holds a token id that the model has no embedding for. The tokenizer was given more tokens than the model, as happens "
        "with tokens added after training.\n\nAvoid those tokens in the prompts.",
    ),
    "C420": Code(
        "parity: logits differ",
        "Before anything is measured, logits are computed on a few of the file's prompts from the pieces that the engine uses, "
        "and compared with transformers' own. They differ by more than rounding explains (1e-4 of their largest size in "
        "float32), so no number of the engine could be trusted, and it stops with exit status 4.\n\n"
        "This is a defect of the family's file in circuitdsl/models/families, or a variant of the family that it does not know. "
        "Please report the model and the line that was printed.",
    ),
    "C421": Code(
        "parity: writes do not sum to the stream",
        "The residual stream before each read should be the embedding plus what every unit wrote, with the biases and norms of "
        "the architecture. It is not, so something writes to the stream that the family's file does not know of (a multiplier, "
        "a bias, a norm after the sum).\n\n"
        "See C420.",
    ),
    "C422": Code(
        "parity: a layer's pieces differ",
        "A layer's keys, values, attention or MLP, computed again from its weights, differ from those of the plain run: the "
        "rotary embedding, the mask, a scale or the order of the heads is not what the family's file says, or it is right only on whole "
        "batches and not on some heads, positions or variants of them, as the engine asks.\n\n"
        "See C420.",
    ),
    "C423": Code(
        "token ids differ",
        "The file was checked with the model's tokenizer.json alone (and add_prefix_space of tokenizer_config.json). "
        "Before measuring, every prompt is encoded by transformers' own tokenizer as well; the two gave "
        "different ids, so positions and answers would be off, and it stops with exit status 4.\n\n"
        "Transformers makes another tokenizer of tokenizer.json if the `tokenizer_class` of tokenizer_config.json says so: save the "
        "tokenizer anew with `save_pretrained`, and the two agree. "
        "Update transformers and tokenizers together; delete the cache folder if the tokenizer was converted by an older "
        "version.",
    ),
    "C424": Code(
        "the model cannot be run",
        "Before anything is measured the model is run as it is on a few of the file's prompts, and transformers itself raised an error. "
        "The configuration holds something that loads but cannot work, or memory ran out.\n\n"
        "Fetch config.json again, or run the model outside circuitdsl to see more.",
    ),
    "C425": Code(
        "the device computes something else",
        "Before anything is measured on a device other than the CPU, the model's logits on a few of the file's prompts are computed on "
        "both. They differ by more than rounding explains: some devices and drivers give wrong numbers without an error, even a logit "
        "difference of the other sign.\n\n"
        "Use `--device cpu`, or another version of torch or of the driver.",
    ),
    "C430": Code(
        "a GGUF file holds what is not used",
        "A GGUF file is read by transformers, which leaves out what it has no place for, without a word: tensors (biases, rope "
        "frequencies, further norms) and metadata (windows, softcaps, scales, the scaling of the rotary embedding). The model would be "
        "another one than the file's. What the configuration can hold is put there; what is named in the message is used nowhere. A file "
        "with an adapter or a projector for images alone holds no model.\n\n"
        "Use the model's own folder with config.json and safetensors.",
    ),
    "C431": Code(
        "one GGUF file of several",
        "The file's metadata says that the model is split over several files. They are not read together.\n\n"
        "Join them with llama.cpp's `llama-gguf-split --merge FIRST JOINED`, or use the model's folder with safetensors.",
    ),
    "C432": Code(
        "the tokenizer of a GGUF file cannot be converted",
        "A GGUF file holds a vocabulary and says in a few keys how text is split. Transformers makes a tokenizer of it without heeding the "
        "key that the message names, so that prompts would have other tokens than the model was trained on.\n\n"
        "Use the model's own folder, with tokenizer.json and safetensors.",
    ),
    "C433": Code(
        "a model without a tokenizer",
        "The folder holds a configuration and weights, and nothing that says which token ids stand for a text. Where a file is only "
        "checked, words stand in for tokens; measured on such ids, a claim would mean nothing. (Toys, models written by hand, may do "
        "without.)\n\n"
        "tokenizer.json is read, and vocab.json with merges.txt, vocab.txt, tokenizer.model and spiece.model; tekken.json and *.tiktoken "
        "are not. `AutoTokenizer.from_pretrained(…).save_pretrained(folder)` writes tokenizer.json.",
    ),
    "C434": Code(
        "a rotary embedding that changes with the length",
        "With rope_type `longrope`, a prompt of more than original_max_position_embeddings tokens has other frequencies at all of its "
        "positions than a shorter one. The engine computes positions one by one, and cannot say then how long the prompt is.\n\n"
        "Use prompts of at most that many tokens; for those the frequencies are the same at every length.",
    ),
    "C435": Code(
        "the model's numbers are not finite",
        "Before anything is measured the model is run as it is on a few of the file's longest prompts. Its own run gives infinity or NaN "
        "from the place on that the message names, so that nothing computed from it would mean anything.\n\n"
        "float16 holds numbers up to 65,504, and models that were trained in bfloat16 often go beyond: use `--dtype bfloat16` or "
        "`float32`. In other types the weights are damaged, or the configuration is not theirs.",
    ),
    "C426": Code(
        "a model of a supported family with another layout",
        "The family is supported, but this model of it is built in a way that the algebra of contributions does not have; the message "
        "says in what. An example is OPT-350m: its norms come after each sum on the stream itself, so that the stream is no sum of "
        "contributions any more.\n\nUse another model of the family.",
    ),
    "C427": Code(
        "a family of another package that cannot be used",
        "Packages can bring families of models: an entry point in the group `circuitdsl.families` that names an instance of a subclass "
        "of `circuitdsl.models.family.Family`. This one raises an error when it is loaded, or names something else.\n\n"
        "Uninstall or mend the package. Models of built-in families run all the same.",
    ),
    "C436": Code(
        "an answer that the tokenizer does not know",
        "The vocabulary has no token for an answer, a wrong answer, or a word that a metric asks for. The tokenizer gives its unknown "
        "token instead, which is the same for all such words, so that the metric would ask for something else than is written.\n\n"
        "Use words that are in the vocabulary; `check --tokens` shows the tokens of prompts and answers.",
    ),
    "W071": Code(
        "words that the tokenizer does not know",
        "The vocabulary has no tokens for these words of the prompts. They are read as the unknown token, which is the same for all of "
        "them, or dropped where the tokenizer has no unknown token; the model does not see what is written.\n\n"
        "Use words that are in the vocabulary.",
    ),
    "W072": Code(
        "a token after every text",
        "The model's tokenizer puts a token after every text (an end of sequence). In a prompt the text is to be continued, so this token "
        "is left out: the prompt ends with its text, and END is the last token of the text. Tokens before it are the same either way.\n\n"
        "There is nothing to do. The evidence shows the tokens that were used (`check --tokens` too).",
    ),
}
