// `GET /api/users/me` as a Nest application is usually written: passport-jwt, ValidationPipe, ClassSerializerInterceptor, and a
// repository with relations.
import {
  ClassSerializerInterceptor,
  Controller,
  Get,
  Injectable,
  Module,
  Req,
  UnauthorizedException,
  UseGuards,
  ValidationPipe,
} from '@nestjs/common';
import { NestFactory, Reflector } from '@nestjs/core';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { Exclude } from 'class-transformer';
import { ExtractJwt, Strategy } from 'passport-jwt';
import 'reflect-metadata';
import { Column, Entity, JoinColumn, JoinTable, ManyToMany, ManyToOne, PrimaryColumn, Repository } from 'typeorm';

@Entity('groups')
class Group {
  @PrimaryColumn('uuid') id: string;
  @Column('citext') name: string;
  @Column('text', { array: true }) permissions: string[];
  @Column('int') early_access_days: number;
}

@Entity('users')
class User {
  @PrimaryColumn('uuid') id: string;
  @Column('citext') username: string;
  @Column('text') email: string | null;
  @Column('timestamptz') email_verified_at: Date | null;
  @Column('text') pending_email: string | null;
  @Column('text') @Exclude() password_hash: string | null;
  @Column('text') fullname: string;
  @Column('text') phone_number: string | null;
  @Column('text') address: string | null;
  @Column('date') birthday: string | null;
  @Column('boolean') is_active: boolean;
  @Column('uuid') avatar_id: string | null;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;

  @ManyToMany(() => Group)
  @JoinTable({ name: 'group_members', joinColumn: { name: 'user_id' }, inverseJoinColumn: { name: 'group_id' } })
  groups: Group[];
}

@Entity('sessions')
class Session {
  @PrimaryColumn('uuid') id: string;

  @ManyToOne(() => User)
  @JoinColumn({ name: 'user_id' })
  user: User;
}

@Injectable()
class JwtStrategy extends PassportStrategy(Strategy) {
  constructor(@InjectRepository(Session) private readonly sessions: Repository<Session>) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: process.env['PUBLIC_KEY']!,
      algorithms: ['ES256'],
    });
  }

  async validate({ sid }: { sid: string }): Promise<User> {
    const where = { id: sid, user: { is_active: true } };
    const session = await this.sessions.findOne({ where, relations: { user: { groups: true } } });
    if (!session) throw new UnauthorizedException();
    return session.user;
  }
}

@Controller('users')
class UsersController {
  @Get('me')
  @UseGuards(AuthGuard('jwt'))
  getMe(@Req() request: { user: User }): User {
    return request.user;
  }
}

const { host, port, user, password, database } = JSON.parse(process.env['CONNECTION']!) as Record<string, string>;

@Module({
  imports: [
    PassportModule,
    TypeOrmModule.forRoot({
      type: 'postgres',
      host: host!,
      port: Number(port ?? 5432),
      username: user!,
      password: password!,
      database: database!,
      entities: [User, Group, Session],
      poolSize: 12,
      installExtensions: false,
    }),
    TypeOrmModule.forFeature([Session]),
  ],
  providers: [JwtStrategy],
  controllers: [UsersController],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: false });
app.setGlobalPrefix('api');
app.useGlobalPipes(new ValidationPipe({ whitelist: true, transform: true }));
app.useGlobalInterceptors(new ClassSerializerInterceptor(app.get(Reflector)));
await app.listen(0, '127.0.0.1');
console.log(await app.getUrl());
process.on('SIGTERM', () => process.exit(0));
