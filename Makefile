# make setup | demo | run PHOTOS=… | test | test-slow | fuzz | audit | lint | three | browser | blender | clean
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SYSTEM := libusb-1.0-0 libgl1 libegl1 libgomp1 libx11-6 libgl1-mesa-dri
APT := apt-get install -y --no-install-recommends $(SYSTEM)
BROWSER := chromium xvfb
THREE := 0.187.0
WEB := recon3d/show/web/three
BLENDER := libgl1 libsm6 libxfixes3 libxi6 libxkbcommon0 libxrender1

.PHONY: setup demo run test test-slow fuzz audit lint three browser blender clean

setup: $(VENV)/.ready $(VENV)/.three

$(VENV)/.system:
	@mkdir -p $(VENV)
	@if ! command -v dpkg >/dev/null; then echo "not a Debian system: open3d needs libusb-1.0, libGL, libEGL, libgomp and libX11"; \
	elif dpkg -s $(SYSTEM) >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -qq && $(APT) -qq >/dev/null; \
	elif sudo -n true 2>/dev/null; then sudo apt-get update -qq && sudo $(APT) -qq >/dev/null; \
	else echo "open3d needs system libraries; install them with: sudo $(APT)"; exit 1; fi
	@touch $@

# torch goes first and pinned: anything else would drag in the newest build with its GPU libraries
$(VENV)/.ready: pyproject.toml constraints.txt $(VENV)/.system
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

# three.js for recon3d view --web: not committed, shipped in the wheel; without npm that one command says what to do
$(VENV)/.three: Makefile $(VENV)/.ready
	@if command -v npm >/dev/null && $(MAKE) -s three; then touch $@; \
	else echo "three.js could not be fetched with npm: recon3d view --web will not work, everything else will"; fi

three:
	rm -rf $(WEB).new && mkdir -p $(WEB).new
	cd $(WEB).new && npm pack --silent three@$(THREE) >/dev/null && tar xzf three-$(THREE).tgz --strip-components=1 package/LICENSE \
		package/build/three.module.js package/build/three.core.js package/examples/jsm/controls/OrbitControls.js
	cd $(WEB).new && mv build/*.js examples/jsm/controls/OrbitControls.js . && rm -r build examples three-$(THREE).tgz
	rm -rf $(WEB) && mv $(WEB).new $(WEB)

test: setup
	$(BIN)/python -m pytest -q -m "not slow"

test-slow: setup
	$(BIN)/python -m pytest -q -m slow

# every parser on thousands of spoilt files: an hour or so
fuzz: setup
	$(BIN)/python -m pytest -q tests/faults/test_fuzz.py --hypothesis-profile=fuzz

# known vulnerabilities of the pinned dependencies; exit 3: no source of advisories can be reached
audit: setup
	@test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && .venv-audit/bin/pip install -q -r tools/requirements-audit.txt; } \
	|| { echo "audit: pip-audit can't be installed here; nothing was checked"; exit 3; }
	@$(BIN)/python tools/audit.py .venv-audit/bin/pip-audit constraints.txt

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

run: setup
	@test -n "$(PHOTOS)" || { echo "usage: make run PHOTOS=folder [ARGS='--model demo']"; exit 2; }
	$(BIN)/recon3d run "$(PHOTOS)" $(ARGS)

demo: setup
	$(BIN)/recon3d run samples/room --model demo -o room-scene --set photos.max_side=640
	$(BIN)/recon3d view room-scene --screenshot room-scene/room.png --force
	$(BIN)/python samples/score_room.py room-scene

# For the tests of pages and windows, which are skipped without
browser:
	@if dpkg -s $(BROWSER) >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y --no-install-recommends -qq $(BROWSER) >/dev/null; \
	else echo "install with: sudo apt-get install --no-install-recommends $(BROWSER)"; exit 1; fi

# For export --to blend, the tests that look through Blender, and samples/make_room.py: bpy is GPL and wants numpy < 2,
# so it has an environment of its own (1 GB)
blender: .venv-bpy/.ready

.venv-bpy/.ready: samples/requirements-blender.txt
	@if ! command -v dpkg >/dev/null; then echo "not a Debian system: Blender needs libGL, libSM, libXi, libXfixes, libXrender and libxkbcommon"; \
	elif dpkg -s $(BLENDER) >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y --no-install-recommends -qq $(BLENDER) >/dev/null; \
	else echo "install with: sudo apt-get install --no-install-recommends $(BLENDER)"; exit 1; fi
	@test -x .venv-bpy/bin/python || $(PYTHON) -m venv .venv-bpy
	.venv-bpy/bin/python -m pip install -q -r samples/requirements-blender.txt
	@touch $@

clean:
	rm -rf $(VENV) .venv-bpy .venv-audit
