"""Uploads over HTTP: streamed to disk, decoded in workers, held in the session; stopped when the sender hangs up."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from radseek.app.upload_folder import upload_folder
from radseek.app.uploads import receive, safe_name
from radseek.retrieval.disk_errors import using_temporary_folder
from radseek.retrieval.document import NOTICE
from radseek.retrieval.errors import Reason
from radseek.retrieval.imaging.body_part import PARTS
from radseek.retrieval.imaging.modality import MODALITIES
from radseek.server import models
from radseek.server.disconnect import Sender
from radseek.server.request_context import At, RequestContext
from radseek.server.study_listing import uploaded_study

__all__ = ["uploads"]

uploads = APIRouter(prefix="/v1")
_PUSHED_OUT: Final = "its study was pushed out by the larger ones sent with it; send it by itself"
_STATED: Final = ("modality", "body_part")
_BODY: Final = {
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["files"],
                "properties": {
                    "files": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}},
                    "modality": {
                        "type": "string",
                        "enum": sorted(MODALITIES),
                        "description": "What NIfTI files and pictures are; they do not say.",
                    },
                    "body_part": {
                        "type": "string",
                        "description": f"What the images are of, where no file says it: {', '.join(PARTS)}.",
                    },
                },
            }
        }
    },
    "required": True,
}


@uploads.post("/uploads", status_code=201, response_model=models.UploadAnswer, openapi_extra={"requestBody": _BODY})
async def upload(request: Request, at: At) -> Any:
    """Upload studies: DICOM, NIfTI, PNG, JPEG, or zips of these. Held in memory until others push them out."""
    async with request.form(max_files=at.settings.uploads.files, max_fields=3, max_part_size=1_000) as form:
        files = [one for one in form.getlist("files") if isinstance(one, UploadFile)]
        stated = [value if isinstance(value := form.get(name), str) and value else None for name in _STATED]
        sender = Sender(request)
        work = asyncio.ensure_future(run_in_threadpool(_receive, at, files, stated, sender))
        try:
            await asyncio.wait({work})
            return work.result()
        except CancelledError as error:
            raise HTTPException(400, "The upload was given up.") from error
        finally:
            sender.let_go()


def _receive(
    at: RequestContext, files: Sequence[UploadFile], stated: Sequence[str | None], sender: Sender
) -> dict[str, Any]:
    """Read what was sent and add it to the session. In a thread: reading and encoding take their seconds."""
    with at.place_to_read(), upload_folder() as folder:
        paths = [_saved(file, folder / str(number)) for number, file in enumerate(files)]
        modality, part = stated
        received = receive(
            paths, modality=modality, body_part=part, limits=at.settings.uploads, stopped=sender.has_left
        )
        for study in received.studies:
            if sender.has_left():
                raise CancelledError
            with at.session.engine() as engine:
                engine.vectors(study)  # this takes its seconds and is done once; what is left to do takes none
        with at.engine():  # nobody else's upload pushes these out before they are described
            if sender.has_left_by_now():
                raise CancelledError
            keys = [at.session.upload(study) for study in received.studies]
            held = [at.session.is_uploaded(key) for key in keys]
            studies = [uploaded_study(at.session, key) for key, still in zip(keys, held, strict=True) if still]
        pushed_out = [study for study, still in zip(received.studies, held, strict=True) if not still]
    skipped = [
        {"path": line.path, "reason_code": str(line.reason_code), "message": line.message} for line in received.skipped
    ]
    skipped += [
        {"path": path, "reason_code": str(Reason.TOO_LARGE), "message": _PUSHED_OUT}
        for study in pushed_out
        for path in study.paths[:1]
    ]
    return {"notice": NOTICE, "studies": studies, "skipped": skipped}


def _saved(file: UploadFile, folder: Path) -> Path:
    """Write a file that was sent into a folder of its own, under a safe name."""
    path = folder / safe_name(file.filename or "")
    with using_temporary_folder(folder, file.size):
        folder.mkdir()
        with path.open("wb") as out:
            shutil.copyfileobj(file.file, out)
    return path
