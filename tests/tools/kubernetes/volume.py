"""A volume as kubelet writes it: files are links into a folder that is swapped as one."""
import os
import shutil

GROUP = 65532  # the pod's fsGroup


class Volume:
    def __init__(self, path, files):
        path.mkdir(parents=True)
        path.chmod(0o755)
        self.path = path
        self._number = 0
        self._folder = None
        self.write(files)
        for name in files:
            (path / name).symlink_to(f"..data/{name}")

    def write(self, files):
        """All files are of the new kind at once, by one rename."""
        self._number += 1
        folder = self.path / f"..2026_11_30_{self._number}"
        folder.mkdir()
        folder.chmod(0o755)
        for name, content in files.items():
            (folder / name).write_text(content)
            os.chown(folder / name, 0, GROUP)
            (folder / name).chmod(0o440)
        link = self.path / "..data_tmp"
        link.symlink_to(folder.name)
        link.rename(self.path / "..data")
        if self._folder is not None:
            shutil.rmtree(self._folder)
        self._folder = folder
