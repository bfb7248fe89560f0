"""ModelAdmin base classes that change objects only through services.

Django's own add, change and delete views write rows in a transaction of their own. That would
bypass authorisation and audit, and would sign inside a transaction. These views are replaced by
ones that pass a principal and plain values to the services, and show the refusals of services.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from apps import ids
from apps.errors import InUse, NotFound, SealwrightError
from apps.principals import Principal
from apps.site.display import admin_url
from apps.site.forms import ServiceForm
from apps.site.pages import Download, ObjectAction, ObjectForm, Section
from apps.site.permissions import ProductRoleAdmin
from apps.site.principal import principal_of_user


class GovernedAdmin(ProductRoleAdmin):
    """Base of every admin class: product administrators only, changes only through services.

    A subclass sets ``add_form`` and defines ``create``, ``edit_form`` and ``update``, ``removable``
    and ``remove``, if there are such services; otherwise objects are read-only.
    """

    object_actions: ClassVar[Sequence[ObjectAction]] = ()
    empty_text: ClassVar[str] = ""
    remove_note: ClassVar[str] = "This cannot be undone."
    settings_first: ClassVar[bool] = False

    def create(self, request: HttpRequest, principal: Principal, data: dict[str, Any]) -> Model:
        """Call the service that makes an object from cleaned form data."""
        raise NotImplementedError

    def update(
        self, request: HttpRequest, principal: Principal, obj: Any, data: dict[str, Any]
    ) -> None:
        """Call the service that changes ``obj``."""
        raise NotImplementedError

    def remove(self, principal: Principal, obj: Any) -> None:
        """Call the service that removes ``obj``; raises ``InUse`` naming the dependants."""
        raise NotImplementedError

    def sections(self, request: HttpRequest, obj: Any) -> list[Section]:
        """Return the sections of the object's page."""
        return []

    def title_of(self, obj: Any) -> str:
        """Return the heading of an object's page."""
        return str(obj)

    def trail_of(self, obj: Any) -> dict[str, str]:
        """Return the filters for the object's events in the audit log."""
        return {"subject_type": ids.label_of(self.model).lower(), "subject_id": str(obj.pk)}

    def downloads(self, obj: Any) -> list[Download]:
        """Return the files offered for ``obj``."""
        return []

    def form_for_add(self, request: HttpRequest) -> type[ServiceForm]:
        """Return the form of the add page."""
        assert self.add_form is not None
        return self.add_form

    def add_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return tabs, help and other additions to the add page."""
        return {}

    def get_urls(self) -> list[URLPattern]:
        """Add a page for each object action in front of Django's own."""
        own = [
            self._route(
                f"<str:object_id>/{act.name}/", act.name, partial(self.action_view, act=act)
            )
            for act in self.object_actions
        ]
        return own + super().get_urls()

    def _route(self, route: str, name: str, view: Callable[..., HttpResponse]) -> URLPattern:
        full_name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(route, self.admin_site.admin_view(view), name=full_name)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the add form and pass its values to ``create``."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.form_for_add(request)(
            request.POST or None, initial=self.initial_of_add(request)
        )
        if request.method == "POST" and form.is_valid():
            with form.reporting():
                made = self.create(request, principal_of_user(request), form.cleaned_data)
            if not form.errors:
                self.message_user(
                    request, f"The {self.opts.verbose_name} “{made}” was created.", messages.SUCCESS
                )
                return HttpResponseRedirect(admin_url(made))
        return self._page(
            request,
            "admin/form_page.html",
            title=f"Add {self.opts.verbose_name}",
            form=form,
            submit_label="Create",
            cancel_url=self._list_url(),
            **self.add_context(request),
        )

    def initial_of_add(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the add form starts with."""
        return {}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show an object: editable values in a form, everything else as text."""
        obj = self._object_or_404(request, object_id)
        editable = self.has_change_permission(request, obj)
        if request.method == "POST" and not editable:
            raise PermissionDenied
        form = self._edit_form_for(request, obj) if editable else None
        if form is not None and request.method == "POST" and form.is_valid():
            with form.reporting():
                self.update(request, principal_of_user(request), obj, form.cleaned_data)
            if not form.errors:
                self.message_user(request, f"“{obj}” was saved.", messages.SUCCESS)
                return HttpResponseRedirect(admin_url(obj))
        return self._page(
            request,
            "admin/object_page.html",
            title=self.title_of(obj),
            obj=obj,
            form=form,
            settings_first=self.settings_first,
            sections=self.sections(request, obj),
            **self._actions_on(request, obj),
            downloads=self.downloads(obj),
            history_url=admin_url(obj, "history") if self.trail_of(obj) else "",
            delete_url=admin_url(obj, "delete") if self.has_delete_permission(request, obj) else "",
        )

    def _actions_on(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return the buttons for the person, and the actions that are for others, by reason."""
        principal = principal_of_user(request)
        shown: list[dict[str, Any]] = []
        refused: dict[str, list[str]] = {}
        for act in self.object_actions:
            if not (act.listed and act.available(obj)):
                continue
            reason = act.refusal(principal, obj)
            if reason:
                refused.setdefault(reason, []).append(act.label.rstrip("…"))
            else:
                shown.append({"act": act, "url": admin_url(obj, act.name)})
        return {"object_actions": shown, "refused_actions": refused}

    def _edit_form_for(self, request: HttpRequest, obj: Any) -> ObjectForm:
        assert self.edit_form is not None
        return self.edit_form(request.POST or None, obj=obj)

    def action_view(
        self, request: HttpRequest, object_id: str, *, act: ObjectAction
    ) -> HttpResponse:
        """Show the form of an action, and call its service."""
        obj = self._object_or_404(request, object_id)
        if not act.available(obj):
            self.message_user(
                request, f"“{act.label}” is not possible for “{obj}” as it is now.", messages.ERROR
            )
            return HttpResponseRedirect(admin_url(obj))
        refusal = act.refusal(principal_of_user(request), obj)
        # What is sent nevertheless goes to the service, which refuses it and records the attempt.
        if refusal and request.method != "POST":
            self.message_user(request, refusal, messages.ERROR)
            return HttpResponseRedirect(admin_url(obj))
        data = request.POST if request.method == "POST" else None
        form = act.form(data, obj=obj, initial=request.GET.dict())
        if request.method == "POST" and form.is_valid():
            outcome: str | HttpResponse = ""
            with form.reporting():
                outcome = act.run(request, principal_of_user(request), obj, form.cleaned_data)
            if isinstance(outcome, HttpResponse):
                return outcome
            if not form.errors:
                self.message_user(request, outcome, messages.SUCCESS)
                return HttpResponseRedirect(admin_url(obj))
        return self._page(
            request,
            "admin/form_page.html",
            title=act.label.rstrip("…"),
            obj=obj,
            form=form,
            intro=act.intro,
            danger=act.danger,
            submit_label=act.label.rstrip("…"),
            cancel_url=admin_url(obj),
        )

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Ask for confirmation and delete; on refusal list the objects that depend on this one."""
        obj = self._object_or_404(request, object_id)
        if not self.has_delete_permission(request, obj):
            raise PermissionDenied
        form = ServiceForm(request.POST if request.method == "POST" else None)
        users: tuple[str, ...] = ()
        if request.method == "POST" and form.is_valid():
            label = str(obj)
            try:
                self.remove(principal_of_user(request), obj)
            except InUse as error:
                users = error.users
            except SealwrightError as error:
                form.report(error)
            else:
                self.message_user(
                    request,
                    f"The {self.opts.verbose_name} “{label}” was deleted.",
                    messages.SUCCESS,
                )
                return HttpResponseRedirect(self._list_url())
        return self._page(
            request,
            "admin/form_page.html",
            title=f"Delete {self.opts.verbose_name}",
            obj=obj,
            form=form,
            intro=self.remove_note,
            danger=True,
            submit_label="Delete",
            dependants=users,
            cancel_url=admin_url(obj),
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Redirect to the object's events in the audit log, which replaces Django's own history."""
        query = urlencode(self.trail_of(self._object_or_404(request, object_id)))
        return HttpResponseRedirect(f"{reverse('admin:audit_auditevent_changelist')}?{query}")

    def _object_or_404(self, request: HttpRequest, object_id: str) -> Any:
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404(f"No {self.opts.verbose_name} with this identifier.")
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        return obj

    def _list_url(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def _page(
        self, request: HttpRequest, template: str, *, obj: Any = None, **context: Any
    ) -> TemplateResponse:
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            template,
            self.admin_site.each_context(request)
            | {
                "opts": self.opts,
                "original": obj,
                "object_url": admin_url(obj) if obj is not None else "",
                "list_url": self._list_url(),
                "media": self.media,
            }
            | context,
        )

    def refuse_file(self, request: HttpRequest, obj: Any, error: SealwrightError) -> HttpResponse:
        """Answer a refused download: redirect to the object, with the reason."""
        if isinstance(error, NotFound):
            raise Http404(error.detail)
        self.message_user(request, error.detail, messages.ERROR)
        return HttpResponseRedirect(admin_url(obj))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Set the title of the list, and the text of an empty one."""
        context = {"title": capfirst(self.opts.verbose_name_plural), "empty_text": self.empty_text}
        return super().changelist_view(request, context | (extra_context or {}))


class ReadOnlyAdmin(GovernedAdmin):
    """Base class for issued and recorded objects, which are read-only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing is added by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is changed by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is deleted by hand."""
        return False
