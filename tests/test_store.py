"""A store: what is sent is what is fetched, whole or not at all, and nothing in it leads elsewhere."""

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from recon3d.errors import InputError, StageError
from recon3d.store import OBJECT_STORES, Store

NAMES = st.lists(
    st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
        lambda part: part not in (".", "..") and not part.startswith(".tmp-")
    ),
    min_size=1,
    max_size=3,
).map("/".join)


@pytest.fixture(params=["file", "memory", "objects"])
def store(request, tmp_path, monkeypatch):
    """A folder on a disk, one in memory, and one in memory that is taken for an object store."""
    monkeypatch.setattr("recon3d.store.PAUSE_S", 0.0)
    MemoryFileSystem.store.clear()
    if request.param == "objects":
        monkeypatch.setattr("recon3d.store.OBJECT_STORES", OBJECT_STORES | {"memory"})
    return Store.at(f"file://{tmp_path}/store" if request.param == "file" else "memory://bucket/store")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "local"
    path.write_bytes(b"content")
    return path


def fetched(store, name, tmp_path):
    store.fetch(name, tmp_path / "fetched")
    return (tmp_path / "fetched").read_bytes()


@pytest.mark.parametrize("name", ["a", "depth/IMG_1.npy", "a b/[x]*?.npy", "ü/ñ{}~%41#.json", "sparse/0/1/2.bin"])
def test_what_is_sent_is_what_is_listed_and_fetched_until_it_is_removed(name, store, file, tmp_path):
    assert store.lists() == {} and not store.holds(name)
    held = store.send(file, name)
    assert store.lists() == {name: held} and store.holds(name) and held.size == 7
    assert fetched(store, name, tmp_path) == b"content"
    file.write_bytes(b"another")
    again = store.send(file, name)
    assert again != held and store.lists() == {name: again} and fetched(store, name, tmp_path) == b"another"
    store.remove_files([name, "never/there"])
    assert store.lists() == {}
    store.send(file, name)
    store.remove(name.partition("/")[0])
    store.remove("nothing")
    assert store.lists() == {}
    with pytest.raises(FileNotFoundError):
        store.fetch(name, tmp_path / "fetched")


@given(NAMES)
def test_any_name_of_a_file_comes_back(name):
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    system, store = fsspec.filesystem("memory"), Store.at("memory://bucket/store")
    system.pipe_file(f"/bucket/store/{name}", b"x")
    assert set(store.lists()) == {name}


def test_a_file_that_breaks_off_as_it_is_sent_leaves_the_old_one_whole(tmp_path, file, monkeypatch):
    monkeypatch.setattr("recon3d.store.PAUSE_S", 0.0)
    store = Store.at(f"file://{tmp_path}/store")
    store.send(file, "depth/a.npy")
    file.write_bytes(b"another content")

    def broken(self, source, target, **options):
        with open(target, "wb") as half:
            half.write(b"another")
        raise ConnectionError("the connection was lost")

    monkeypatch.setattr(LocalFileSystem, "put_file", broken)
    with pytest.raises(StageError, match=r"depth/a.npy: can't be sent: the connection was lost; see to .*goes on from"):
        store.send(file, "depth/a.npy")
    assert fetched(store, "depth/a.npy", tmp_path) == b"content"
    assert [path.name for path in (tmp_path / "store" / "depth").iterdir()] == ["a.npy"]


def test_what_arrives_short_has_not_arrived(tmp_path, file, monkeypatch):
    monkeypatch.setattr("recon3d.store.PAUSE_S", 0.0)
    store = Store.at(f"file://{tmp_path}/store")
    store.send(file, "a")
    monkeypatch.setattr(LocalFileSystem, "get_file", lambda self, source, target: open(target, "wb").close())
    with pytest.raises(StageError, match="a: can't be fetched: 0 of 7 bytes came"):
        store.fetch("a", tmp_path / "fetched")


def test_what_may_pass_is_tried_again_and_what_may_not_is_told_at_once(tmp_path, file, monkeypatch):
    monkeypatch.setattr("recon3d.store.PAUSE_S", 0.0)
    store, real, calls = Store.at(f"file://{tmp_path}/store"), LocalFileSystem.put_file, []

    def shaky(self, *arguments, **options):
        calls.append(1)
        if len(calls) < 3:
            raise TimeoutError("timed out")
        return real(self, *arguments, **options)

    monkeypatch.setattr(LocalFileSystem, "put_file", shaky)
    store.send(file, "a")
    assert len(calls) == 3 and store.holds("a")

    def refused(self, *arguments, **options):
        calls.append(1)
        raise PermissionError("Access Denied")

    monkeypatch.setattr(LocalFileSystem, "put_file", refused)
    with pytest.raises(StageError, match=r"a: can't be sent: no permission \(Access Denied\); see that the account"):
        store.send(file, "a")
    assert len(calls) == 4


def test_a_folder_that_can_t_be_read_is_not_taken_for_an_empty_one(tmp_path, file, monkeypatch):
    monkeypatch.setattr("recon3d.store.PAUSE_S", 0.0)
    store = Store.at(f"file://{tmp_path}/store")
    store.send(file, "depth/a.npy")
    real = LocalFileSystem.ls

    def ls(self, path, **options):
        if path.endswith("depth"):
            raise OSError("Socket is closed")
        return real(self, path, **options)

    monkeypatch.setattr(LocalFileSystem, "ls", ls)
    with pytest.raises(StageError, match="can't be listed: Socket is closed"):
        store.lists()


def test_names_that_lead_elsewhere_and_files_on_their_way_are_not_seen(monkeypatch):
    monkeypatch.setattr("recon3d.store.OBJECT_STORES", OBJECT_STORES | {"memory"})
    MemoryFileSystem.store.clear()
    store, system = Store.at("memory://bucket/store"), fsspec.filesystem("memory")
    for name in ("../x", "a/../../x", "/x", "a//x", "..\\x", "depth/.tmp-x", "good"):
        MemoryFileSystem.store[f"/bucket/store/{name}"] = system.open("/t", "wb")
    assert set(store.lists()) == {"good"}


def test_what_killed_processes_were_sending_is_removed(tmp_path, file):
    store = Store.at(f"file://{tmp_path}/store")
    store.send(file, "a/b")
    (tmp_path / "store" / "a" / ".tmp-node-1-2-b").write_bytes(b"con")
    store.tidy()
    assert [path.name for path in (tmp_path / "store" / "a").iterdir()] == ["b"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sftp://me:secret@host/x", "holds a password"),
        ("s3://AKIA:secret@bucket/x", "holds a password"),
        ("abfs://c@account/x?sig=secret", "holds a password"),
        ("s3://bucket", "names no folder in it"),
        ("s3://bucket/", "names no folder in it"),
        ("file:///", "names no folder in it"),
        ("memory://", "names no folder in it"),
        ("file://scene", "wanted the whole path"),
        ("simplecache::s3://bucket/x", "one plain URL"),
        ("s3://bucket/../x", "one plain URL"),
        ("s3://bucket/x*", "one plain URL"),
    ],
)
def test_urls_that_can_t_be_a_scene_s_say_why_without_what_is_secret(url, words):
    with pytest.raises(InputError, match=words) as refusal:
        Store.at(url)
    assert "secret" not in str(refusal.value)
