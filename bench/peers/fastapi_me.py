"""`GET /api/users/me` as a FastAPI application is usually written: security dependency, async SQLAlchemy models, response model."""

import json
import os
import socket
from datetime import date, datetime
from typing import List, Optional
from uuid import UUID

import jwt
import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy import ARRAY, Boolean, Column, Date, DateTime, ForeignKey, Integer, String, Table, select
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import declarative_base, relationship, selectinload, sessionmaker

key = load_pem_public_key(os.environ["PUBLIC_KEY"].encode())
connection = json.loads(os.environ["CONNECTION"])
engine = create_async_engine(
    URL.create(
        "postgresql+asyncpg",
        username=connection["user"],
        password=connection.get("password"),
        database=connection["database"],
        query={"host": connection["host"]},
        port=connection.get("port"),
    ),
    pool_size=12,
    max_overflow=0,
)
Database = sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
Base = declarative_base()
members = Table(
    "group_members",
    Base.metadata,
    Column("group_id", ForeignKey("groups.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
)


class Group(Base):
    __tablename__ = "groups"
    id = Column(PgUUID(as_uuid=True), primary_key=True)
    name = Column(String)
    permissions = Column(ARRAY(String))
    early_access_days = Column(Integer)


class User(Base):
    __tablename__ = "users"
    id = Column(PgUUID(as_uuid=True), primary_key=True)
    username = Column(String)
    email = Column(String)
    email_verified_at = Column(DateTime(timezone=True))
    pending_email = Column(String)
    fullname = Column(String)
    phone_number = Column(String)
    address = Column(String)
    birthday = Column(Date)
    is_active = Column(Boolean)
    avatar_id = Column(PgUUID(as_uuid=True))
    created_at = Column(DateTime(timezone=True))
    updated_at = Column(DateTime(timezone=True))
    groups = relationship(Group, secondary=members, order_by=Group.name)


class Session(Base):
    __tablename__ = "sessions"
    id = Column(PgUUID(as_uuid=True), primary_key=True)
    user_id = Column(ForeignKey("users.id"))


class GroupOut(BaseModel):
    id: UUID
    name: str
    permissions: List[str]
    early_access_days: int

    class Config:
        orm_mode = True


class UserOut(BaseModel):
    id: UUID
    username: str
    email: Optional[str]
    email_verified_at: Optional[datetime]
    pending_email: Optional[str]
    fullname: str
    phone_number: Optional[str]
    address: Optional[str]
    birthday: Optional[date]
    is_active: bool
    avatar_id: Optional[UUID]
    created_at: datetime
    updated_at: datetime
    groups: List[GroupOut]

    class Config:
        orm_mode = True


async def open_database():
    async with Database() as database:
        yield database


async def current_user(
    credentials: HTTPAuthorizationCredentials = Depends(HTTPBearer()),
    database: AsyncSession = Depends(open_database),
) -> User:
    try:
        claims = jwt.decode(credentials.credentials, key, algorithms=["ES256"])
    except jwt.PyJWTError:
        raise HTTPException(401)
    found = await database.execute(
        select(User)
        .join(Session, Session.user_id == User.id)
        .where(Session.id == UUID(claims["sid"]), User.is_active)
        .options(selectinload(User.groups))
    )
    user = found.scalar_one_or_none()
    if user is None:
        raise HTTPException(401)
    return user


app = FastAPI()


@app.get("/api/users/me", response_model=UserOut)
async def me(user: User = Depends(current_user)):
    return user


listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
