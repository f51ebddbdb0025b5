//! Every error the API answers: one table of code, `error` word and HTTP status.

/// Declares [`Word`]: the `error` field of an answer and the status that goes with it.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal;)+) => {
        /// The `error` field of an error answer; each word has one HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Word { $($(#[$doc])* $name,)+ }

        impl Word {
            /// Every word, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word as the API writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The HTTP status that always goes with the word.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }
        }
    };
}

words! {
    /// Who asks is not known.
    AuthError = "auth_error", 401;
    /// The request says something that cannot be.
    ValidationError = "validation_error", 400;
    /// The thing named does not exist.
    NotFound = "not_found", 404;
    /// The request clashes with something that exists.
    Conflict = "conflict", 409;
    /// `docker compose` failed.
    ComposeError = "compose_error", 500;
    /// A file could not be read or written.
    IoError = "io_error", 500;
    /// The work outlasted its limit.
    Timeout = "timeout", 408;
    /// The container is in a state that does not allow it.
    StateError = "state_error", 422;
    /// Known, but not allowed.
    Forbidden = "forbidden", 403;
    /// The path exists, but not for this method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// A precondition of the request does not hold.
    PreconditionFailed = "precondition_failed", 412;
    /// The body or a part of it is larger than allowed.
    TooLarge = "too_large", 413;
    /// The body is of a kind this path does not take.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// No byte of the file lies in the range asked for.
    RangeNotSatisfiable = "range_not_satisfiable", 416;
    /// Too many, too fast.
    RateLimited = "rate_limited", 429;
    /// A fault of the daemon itself.
    InternalError = "internal_error", 500;
    /// The engine or the host of this daemon has no such thing.
    NotSupported = "not_supported", 501;
    /// Another server that is needed for it cannot be reached.
    BadGateway = "bad_gateway", 502;
    /// The container engine does not answer.
    EngineUnavailable = "engine_unavailable", 503;
    /// The daemon is shutting down.
    ServiceUnavailable = "service_unavailable", 503;
    /// A disk is full.
    InsufficientStorage = "insufficient_storage", 507;
}

/// Declares [`Code`]: the stable `code` field of an answer and the [`Word`] it comes under.
macro_rules! codes {
    ($($word:ident { $($(#[$doc:meta])* $name:ident = $code:literal;)+ })+) => {
        /// The `code` field of an error answer: stable, for programs to tell reasons apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($($(#[$doc])* $name,)+)+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// The code as the API writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$name => $code,)+)+ }
            }

            /// The `error` word the code comes under.
            #[must_use]
            pub const fn word(self) -> Word {
                match self { $($(Self::$name => Word::$word,)+)+ }
            }
        }
    };
}

codes! {
    AuthError {
        /// No credentials, or wrong ones.
        Unauthorized = "UNAUTHORIZED";
        /// The token's time is over.
        TokenExpired = "TOKEN_EXPIRED";
    }
    ValidationError {
        /// The body is not JSON.
        InvalidJson = "INVALID_JSON";
        /// A query parameter has a wrong value, or is not known.
        InvalidQuery = "INVALID_QUERY";
        /// A header has a wrong value.
        InvalidHeader = "INVALID_HEADER";
        /// `image` is missing or empty.
        MissingImage = "MISSING_IMAGE";
        /// A field that is needed is missing.
        MissingField = "MISSING_FIELD";
        /// A field that no one knows.
        UnknownField = "UNKNOWN_FIELD";
        /// A field has a value of the wrong type.
        InvalidType = "INVALID_TYPE";
        /// A field has a value that is not allowed.
        InvalidValue = "INVALID_VALUE";
        /// `image` is no image reference.
        InvalidImage = "INVALID_IMAGE";
        /// `name` is no container name.
        InvalidName = "INVALID_NAME";
        /// The name or value of an environment variable is not allowed.
        InvalidEnv = "INVALID_ENV";
        /// A port mapping is not possible.
        InvalidPort = "INVALID_PORT";
        /// One port stands twice in the list.
        DuplicatePort = "DUPLICATE_PORT";
        /// A limit is out of range.
        InvalidResources = "INVALID_RESOURCES";
        /// The cursor was not made by this API.
        InvalidCursor = "INVALID_CURSOR";
        /// The path names a folder where a file is needed.
        IsDirectory = "IS_DIRECTORY";
        /// The path names a file where a folder is needed.
        NotADirectory = "NOT_A_DIRECTORY";
        /// The path names something that is neither a file nor a folder.
        NotARegularFile = "NOT_A_REGULAR_FILE";
        /// A path that leads outside the mount, or cannot be one.
        PathNotAllowed = "PATH_NOT_ALLOWED";
        /// The container was created without a mount.
        NoMount = "NO_MOUNT";
        /// The archive is not a zip.
        ArchiveNotAZip = "ARCHIVE_NOT_A_ZIP";
        /// The archive is no tar.
        ArchiveNotATar = "ARCHIVE_NOT_A_TAR";
        /// The archive holds no images, or not as `docker save` writes them.
        ImageArchiveInvalid = "IMAGE_ARCHIVE_INVALID";
        /// The archive has no such Dockerfile.
        DockerfileNotFound = "DOCKERFILE_NOT_FOUND";
        /// The builder did not build the image: `details.output` has its words.
        BuildFailed = "BUILD_FAILED";
        /// The archive ends before its end.
        ArchiveTruncated = "ARCHIVE_TRUNCATED";
        /// The archive's directory cannot be read.
        ArchiveMalformed = "ARCHIVE_MALFORMED";
        /// Compressed data is damaged, or its checksum is wrong.
        ArchiveCorrupt = "ARCHIVE_CORRUPT";
        /// Something stands before, between or after the parts of the zip.
        ArchiveExtraBytes = "ARCHIVE_EXTRA_BYTES";
        /// The archive is one of several disks.
        ArchiveMultiDisk = "ARCHIVE_MULTI_DISK";
        /// An entry is encrypted.
        ArchiveEncrypted = "ARCHIVE_ENCRYPTED";
        /// An entry is compressed by a method other than stored or deflate.
        ArchiveMethodUnsupported = "ARCHIVE_METHOD_UNSUPPORTED";
        /// The two headers of an entry say different things.
        ArchiveHeadersDisagree = "ARCHIVE_HEADERS_DISAGREE";
        /// Two entries share bytes of the archive.
        ArchiveOverlap = "ARCHIVE_OVERLAP";
        /// An entry is larger or smaller than it says.
        ArchiveSizeLies = "ARCHIVE_SIZE_LIES";
        /// More entries than allowed.
        ArchiveTooManyEntries = "ARCHIVE_TOO_MANY_ENTRIES";
        /// More unpacked bytes than allowed.
        ArchiveTooLarge = "ARCHIVE_TOO_LARGE";
        /// Compressed more tightly than allowed.
        ArchiveRatio = "ARCHIVE_RATIO";
        /// Folders nested deeper than allowed.
        ArchiveTooDeep = "ARCHIVE_TOO_DEEP";
        /// An entry has an empty name.
        EntryNameEmpty = "ENTRY_NAME_EMPTY";
        /// An entry has an absolute name.
        EntryNameAbsolute = "ENTRY_NAME_ABSOLUTE";
        /// An entry's name has a `..` part.
        EntryNameParent = "ENTRY_NAME_PARENT";
        /// An entry's name has an empty or `.` part.
        EntryNameNotCanonical = "ENTRY_NAME_NOT_CANONICAL";
        /// An entry's name has a backslash.
        EntryNameBackslash = "ENTRY_NAME_BACKSLASH";
        /// An entry's name has a NUL.
        EntryNameNul = "ENTRY_NAME_NUL";
        /// An entry's name has a control character.
        EntryNameControl = "ENTRY_NAME_CONTROL";
        /// An entry's name is not UTF-8.
        EntryNameNotUtf8 = "ENTRY_NAME_NOT_UTF8";
        /// An entry's name, or a part of it, is too long.
        EntryNameTooLong = "ENTRY_NAME_TOO_LONG";
        /// Two entries have one name.
        EntryDuplicate = "ENTRY_DUPLICATE";
        /// One name is both a file and a folder.
        EntryFileAndFolder = "ENTRY_FILE_AND_FOLDER";
        /// An entry lies beneath a symbolic link of the archive.
        EntryBelowLink = "ENTRY_BELOW_LINK";
        /// An entry is neither file, folder nor link.
        EntryKindNotAllowed = "ENTRY_KIND_NOT_ALLOWED";
        /// A symbolic link has an absolute target.
        LinkAbsolute = "LINK_ABSOLUTE";
        /// A symbolic link leads outside the folder unpacked to.
        LinkEscapes = "LINK_ESCAPES";
        /// A symbolic link's target is empty, too long, or cannot be one.
        LinkTargetInvalid = "LINK_TARGET_INVALID";
        /// The folder holds more than one download may.
        TreeTooLarge = "TREE_TOO_LARGE";
        /// A folder's name is not UTF-8 and cannot be put into a zip.
        NameNotUtf8 = "NAME_NOT_UTF8";
        /// The body could not be read to its end.
        IncompleteBody = "INCOMPLETE_BODY";
        /// The WebSocket frame is not one of the protocol's.
        InvalidFrame = "INVALID_FRAME";
        /// No signal has this name.
        UnknownSignal = "UNKNOWN_SIGNAL";
        /// The command does not exist in the container.
        CommandNotFound = "COMMAND_NOT_FOUND";
        /// The command exists in the container but cannot be started.
        CommandNotExecutable = "COMMAND_NOT_EXECUTABLE";
    }
    NotFound {
        /// No such route.
        RouteNotFound = "ROUTE_NOT_FOUND";
        /// No container has this id or name.
        ContainerNotFound = "CONTAINER_NOT_FOUND";
        /// The image is not here and cannot be had.
        ImageNotFound = "IMAGE_NOT_FOUND";
        /// No such file in the mount.
        FileNotFound = "FILE_NOT_FOUND";
        /// No token has this id.
        TokenNotFound = "TOKEN_NOT_FOUND";
        /// No role has this name.
        RoleNotFound = "ROLE_NOT_FOUND";
        /// No credentials are kept for this registry.
        RegistryNotFound = "REGISTRY_NOT_FOUND";
    }
    Conflict {
        /// The name belongs to another container.
        NameInUse = "NAME_IN_USE";
        /// Tokens have the role.
        RoleInUse = "ROLE_IN_USE";
        /// The role is one of the three that are always there as they are.
        RoleBuiltIn = "ROLE_BUILT_IN";
        /// The host port is taken.
        PortInUse = "PORT_IN_USE";
        /// The mount changed while it was being written.
        FileChanged = "FILE_CHANGED";
        /// A file stands where a folder is needed, or a folder where a file is needed.
        PathConflict = "PATH_CONFLICT";
        /// Something stands there already.
        FileExists = "FILE_EXISTS";
        /// The folder is not empty: it is removed with `recursive=true` only.
        FolderNotEmpty = "FOLDER_NOT_EMPTY";
        /// A container is made of the image.
        ImageInUse = "IMAGE_IN_USE";
        /// The image has other names, or other images are made of it.
        ImageReferenced = "IMAGE_REFERENCED";
    }
    ComposeError {
        /// `docker compose` ended with an error.
        ComposeFailed = "COMPOSE_FAILED";
        /// The compose file cannot be read back.
        ComposeFileInvalid = "COMPOSE_FILE_INVALID";
    }
    IoError {
        /// A file could not be read or written.
        IoFailed = "IO_FAILED";
    }
    Timeout {
        /// A change outlasted its limit.
        ChangeTimedOut = "CHANGE_TIMED_OUT";
        /// The body came too slowly.
        BodyTimedOut = "BODY_TIMED_OUT";
        /// The command outlasted its limit; every process of it is gone.
        ExecTimedOut = "EXEC_TIMED_OUT";
        /// The container did not end within the time that was waited.
        WaitTimedOut = "WAIT_TIMED_OUT";
    }
    StateError {
        /// The container's status does not allow the action.
        InvalidState = "INVALID_STATE";
        /// A running container is deleted with `force=true` only.
        ContainerRunning = "CONTAINER_RUNNING";
        /// The container has to run for this.
        ContainerNotRunning = "CONTAINER_NOT_RUNNING";
    }
    Forbidden {
        /// The caller lacks the permission that the route needs.
        PermissionMissing = "PERMISSION_MISSING";
        /// The request comes from a web page of another site.
        CrossSite = "CROSS_SITE";
        /// The option leads to the host, and the administrator has not allowed it (`APP_ALLOW`).
        OptionNotAllowed = "OPTION_NOT_ALLOWED";
        /// A token that is limited to containers names a network or volume that none of them uses, or takes away an
        /// image with values of variables of another container.
        NotYours = "NOT_YOURS";
        /// The registry does not let these credentials, or no credentials, do this.
        RegistryDenied = "REGISTRY_DENIED";
    }
    MethodNotAllowed {
        /// The path exists, but not for this method.
        MethodNotAllowed = "METHOD_NOT_ALLOWED";
    }
    PreconditionFailed {
        /// `If-Match` or `If-Unmodified-Since` does not hold.
        PreconditionFailed = "PRECONDITION_FAILED";
    }
    TooLarge {
        /// The body is larger than allowed.
        BodyTooLarge = "BODY_TOO_LARGE";
    }
    UnsupportedMediaType {
        /// The `Content-Type` is not one this path takes.
        UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE";
    }
    RangeNotSatisfiable {
        /// No byte of the file lies in the range asked for.
        RangeNotSatisfiable = "RANGE_NOT_SATISFIABLE";
    }
    RateLimited {
        /// Too many failed logins from this address.
        TooManyFailures = "TOO_MANY_FAILURES";
        /// Too many tickets wait to be used.
        TooManyTickets = "TOO_MANY_TICKETS";
        /// Too many terminals are open.
        TooManyTerminals = "TOO_MANY_TERMINALS";
        /// Too many images are pulled and pushed.
        TooManyTransfers = "TOO_MANY_TRANSFERS";
        /// Too many streams are open.
        TooManyStreams = "TOO_MANY_STREAMS";
        /// Too many images are being built.
        TooManyBuilds = "TOO_MANY_BUILDS";
    }
    InternalError {
        /// A fault of the daemon itself.
        InternalError = "INTERNAL_ERROR";
    }
    NotSupported {
        /// The engine or the host of this daemon has no such thing.
        NotSupported = "NOT_SUPPORTED";
    }
    BadGateway {
        /// The registry of an image does not answer, or broke off.
        RegistryUnreachable = "REGISTRY_UNREACHABLE";
    }
    EngineUnavailable {
        /// The engine does not answer.
        EngineUnavailable = "ENGINE_UNAVAILABLE";
    }
    ServiceUnavailable {
        /// The daemon is shutting down.
        ShuttingDown = "SHUTTING_DOWN";
    }
    InsufficientStorage {
        /// The disk is full.
        NoSpace = "NO_SPACE";
    }
}
