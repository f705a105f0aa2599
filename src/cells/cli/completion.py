"""Shell completion of options that lie in folders: `experiment=paper/<Tab>`."""

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.object_type import ObjectType

from cells.cli.yaml_comments import group_options, groups


def offer_options_in_folders() -> None:
    """Let Hydra's completion know that `paper/pilot` is an option of `experiment`, and `experiment/paper` no group."""
    of_one_folder = ConfigLoaderImpl.get_group_options

    def of_all_folders(
        self: ConfigLoaderImpl,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        found: list[str] = of_one_folder(self, group_name, results_filter, config_name, overrides)
        if group_name not in groups():
            return found
        if results_filter is ObjectType.GROUP:
            return []
        return sorted({name for name in (*found, *group_options(group_name)) if not name.startswith("_")})

    ConfigLoaderImpl.get_group_options = of_all_folders  # type: ignore[method-assign]
