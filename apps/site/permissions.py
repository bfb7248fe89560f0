"""ModelAdmin base class with permissions by product role; Django's own writes are refused."""

from typing import Any, ClassVar, NoReturn

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from apps.site.forms import ServiceForm
from apps.site.pages import ObjectForm
from apps.site.paginator import BoundedPaginator
from apps.site.search import IndexedSearch


class ProductRoleAdmin(IndexedSearch, admin.ModelAdmin):
    """Admits product administrators by their product role instead of Django's permissions."""

    add_form: ClassVar[type[ServiceForm] | None] = None
    edit_form: ClassVar[type[ObjectForm] | None] = None
    removable: ClassVar[bool] = False

    actions: Any = None
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Product administrators see every app."""
        return self.admin_site.has_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Product administrators read everything."""
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Tell whether there is a service that creates such objects."""
        return self.add_form is not None and self.admin_site.has_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether there is a service that changes such objects."""
        return self.edit_form is not None and self.admin_site.has_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether there is a service that deletes such objects."""
        return self.removable and self.admin_site.has_permission(request)

    def save_model(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: rows are written by services."""
        raise PermissionDenied

    def delete_model(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: rows are deleted by services."""
        raise PermissionDenied

    def delete_queryset(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: rows are deleted by services."""
        raise PermissionDenied
